r"""Review (ReviewKD): each old layer is compared with new layers fused from the deepest up to its own.

.. math:: g_S = A_S(F_S), \quad g_i = z_i \odot A_i(F_i) + z'_i \odot \text{up}(g_{i+1}), \qquad
          \ell_b = \sum_i H(B_i(g_i)_b, F^{old}_{i,b})

with ``A_i`` a 1 x 1 convolution to a common width, ``z`` and ``z'`` two maps of weights from both (a 1 x 1 convolution
and a sigmoid), ``B_i`` a 3 x 3 convolution to the old layer's channels, and ``H`` the hierarchical context: the mean
square between two maps and between both averaged to 4, 2 and 1 places a side, halving in weight.
Chen et al., "Distilling Knowledge via Knowledge Review", 2021, arXiv:2104.09044, sec. 3.

The weights of ``H`` add up to 1, as in the authors' code. Convolutions ``A`` and ``B`` are batch-normalised: in
training an image's value depends on the batch. On several processes each normalises its own part.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from modelheir import checks
from modelheir.losses.features.maps import check_feature_shapes, pool_to_smaller
from modelheir.losses.precision import full_precision
from modelheir.losses.seeded_layers import seeded_conv

__all__ = ["ReviewLoss", "hierarchical_context"]


def hierarchical_context(new: Tensor, old: Tensor) -> Tensor:
    """Measure the distance of two feature maps at several sizes.

    Args:
        new: Feature maps of the model in training, shape ``(N, C, H, W)``. Gradients flow here only.
        old: Feature maps of the frozen model, ``(N, C, H', W')``; the larger are averaged down to the smaller.

    Returns:
        Mean square at full size and at 4, 2 and 1 places a side where these are smaller, weighted 1, 1/2, 1/4, ...
        over their sum; ``>= 0``, shape ``(N,)``.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        Differences 1 and -1 count at full size, weight 2/3, and vanish in their mean:

        >>> new, old = torch.tensor([[[[1.0, -1.0], [1.0, -1.0]]]]), torch.zeros(1, 1, 2, 2)
        >>> hierarchical_context(new, old)
        tensor([0.6667])
    """
    new, old = pool_to_smaller(new, old)
    checks.same_shape(new=new, old=old)
    gap, weight, total = new - old, 1.0, 1.0
    value = gap.square().mean(dim=(1, 2, 3))
    for size in (4, 2, 1):
        if size < min(gap.shape[2:]):
            weight /= 2
            total += weight
            value = value + weight * functional.adaptive_avg_pool2d(gap, size).square().mean(dim=(1, 2, 3))
    return value / total


class ReviewLoss(nn.Module):
    """Holds the fusion; it must be trained, averaged over processes and saved with the model.

    Args:
        new_shapes: ``(C, H, W)`` of each tapped layer of the new model, from the shallowest to the deepest.
        old_shapes: The same of the old model, as many; layer ``i`` is compared with layer ``i``.
        width: Channels while layers are fused, ``>= 1``.
        seed: Of the first weights; the same on every process.

    Raises:
        InputError: If a shape is none of a map.
        ValueError: If there is no layer, the numbers of layers differ, or a setting is out of range.
    """

    def __init__(
        self,
        new_shapes: Sequence[Sequence[int]],
        old_shapes: Sequence[Sequence[int]],
        *,
        width: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        checks.at_least(1, layers=len(new_shapes), width=width)
        if len(new_shapes) != len(old_shapes):
            raise ValueError(f"review pairs layers, got {len(new_shapes)} new and {len(old_shapes)} old ones")
        for side, shapes in (("new_shapes", new_shapes), ("old_shapes", old_shapes)):
            check_feature_shapes(3, **{f"{side}[{place}]": shape for place, shape in enumerate(shapes)})
        generator = torch.Generator().manual_seed(seed)

        def normalised(inputs: int, outputs: int, size: int) -> nn.Sequential:
            conv = seeded_conv(inputs, outputs, size=size, generator=generator, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(outputs))

        self.entries = nn.ModuleList(normalised(shape[0], width, 1) for shape in new_shapes)
        self.gates = nn.ModuleList(seeded_conv(2 * width, 2, generator=generator) for _ in new_shapes[1:])
        self.exits = nn.ModuleList(normalised(width, shape[0], 3) for shape in old_shapes)

    def per_image(self, new: Sequence[Tensor], old: Sequence[Tensor]) -> Tensor:
        """Return one value an image, ``(N,)``, ``>= 0``, for a feature map of each layer of ``new`` and ``old``."""
        self._check(new, old)
        with torch.autocast(new[0].device.type, enabled=False):
            fused = self.entries[-1](full_precision(new[-1]))
            value = self._compared(-1, fused, old)
            for place in range(len(new) - 2, -1, -1):
                entered = self.entries[place](full_precision(new[place]))
                deeper = functional.interpolate(fused, entered.shape[2:], mode="nearest")
                gate = self.gates[place](torch.cat([entered, deeper], dim=1)).sigmoid()
                fused = entered * gate[:, :1] + deeper * gate[:, 1:]
                value = value + self._compared(place, fused, old)
        return value

    def forward(self, new: Sequence[Tensor], old: Sequence[Tensor]) -> Tensor:
        """Return the scalar loss for maps ``(N, C, H, W)`` of each new layer and of each old layer."""
        return self.per_image(new, old).mean()

    def _compared(self, place: int, fused: Tensor, old: Sequence[Tensor]) -> Tensor:
        return hierarchical_context(self.exits[place](fused), old[place])

    def _check(self, new: Sequence[Tensor], old: Sequence[Tensor]) -> None:
        if len(new) != len(self.entries) or len(old) != len(self.entries):
            raise ValueError(f"review was made for {len(self.entries)} layers, got {len(new)} new and {len(old)} old")
        checks.same_length(**{f"new[{place}]": maps for place, maps in enumerate(new)})
        if self.training and new[0].shape[0] < 2:
            raise checks.InputError("review needs at least two images in a batch: take larger batches")
