r"""Attention-based feature distillation (AFD): each old layer picks the new layers that it teaches.

.. math:: \ell_b = \sum_j \sum_i \alpha_{bji} \tfrac{1}{H_j W_j} \lVert v_{bji} - v^{old}_{bj} \rVert^2, \qquad
          \alpha_{bj} = \text{softmax}_i \tfrac{1}{\sqrt d}
          \bigl( \langle k_{bij}, q_{bj} \rangle + \langle p^{old}_j, p_i \rangle \bigr)

with ``v`` the activation map of a layer (channel mean of squares, unit length), a new layer's pooled to the old layer's
size; ``q_bj`` a query from the channel means of old layer ``j``; ``k_bij`` a key from those of new layer ``i``, through
a last layer that all share and that has an answer for each ``j``; and learned positions ``p``.
Ji et al., "Show, Attend and Distill: Knowledge Distillation via Attention-based Feature Matching", 2021,
arXiv:2102.02973, sec. 3.

Queries and keys are batch-normalised: in training an image's value depends on the batch, which needs two images. On
several processes each normalises its own part.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from modelheir import checks
from modelheir.losses.features.maps import activation_map, check_feature_shapes, unit_length
from modelheir.losses.precision import full_precision
from modelheir.losses.seeded_layers import seeded_linear

__all__ = ["AttentionFeatureLoss"]


class AttentionFeatureLoss(nn.Module):
    """Holds queries, keys and positions; they must be trained, averaged over processes and saved with the model.

    Args:
        new_shapes: ``(C, H, W)`` of each tapped layer of the new model, ``S`` of them.
        old_shapes: The same of the old model, ``T`` of them; all numbers and sizes may differ.
        width: ``d``, of queries and keys, ``>= 1``.
        seed: Of the first weights; the same on every process.

    Raises:
        InputError: If a shape is none of a map.
        ValueError: If there is no layer or a setting is out of range.
    """

    def __init__(
        self,
        new_shapes: Sequence[Sequence[int]],
        old_shapes: Sequence[Sequence[int]],
        *,
        width: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        checks.at_least(1, new_layers=len(new_shapes), old_layers=len(old_shapes), width=width)
        for side, shapes in (("new_shapes", new_shapes), ("old_shapes", old_shapes)):
            check_feature_shapes(3, **{f"{side}[{place}]": shape for place, shape in enumerate(shapes)})
        generator = torch.Generator().manual_seed(seed)

        def normalised(inputs: int, outputs: int, relu: bool = False) -> nn.Sequential:
            layer = seeded_linear(inputs, outputs, generator=generator, relu=relu, bias=False)
            return nn.Sequential(layer, nn.BatchNorm1d(outputs), *([nn.ReLU()] if relu else []))

        def positions(count: int) -> nn.Parameter:
            spread = (2 / (count + width)) ** 0.5  # Glorot and Bengio, 2010
            return nn.Parameter(torch.randn(count, width, generator=generator) * spread)

        self.width = width
        self.queries = nn.ModuleList(normalised(shape[0], width) for shape in old_shapes)
        self.keys = nn.ModuleList(normalised(shape[0], width, relu=True) for shape in new_shapes)
        self.shared_key = normalised(width, width * len(old_shapes))
        self.new_positions, self.old_positions = positions(len(new_shapes)), positions(len(old_shapes))

    def attention(self, new: Sequence[Tensor], old: Sequence[Tensor]) -> Tensor:
        """Return how much each old layer asks of each new one: ``(N, T, S)``, each row of ``S`` adds up to 1."""
        self._check(new, old)
        with torch.autocast(new[0].device.type, enabled=False):
            means = [[full_precision(maps).mean(dim=(2, 3)) for maps in side] for side in (new, old)]
            keys = torch.stack([layer(mean) for layer, mean in zip(self.keys, means[0], strict=True)], dim=1)
            keys = self.shared_key(keys.flatten(0, 1)).view(*keys.shape[:2], len(old), self.width)
            queries = [layer(mean.detach()) for layer, mean in zip(self.queries, means[1], strict=True)]
            match = torch.einsum("nstd,ntd->nts", keys, torch.stack(queries, dim=1))
            return ((match + self.old_positions @ self.new_positions.T) / self.width**0.5).softmax(dim=2)

    def per_image(self, new: Sequence[Tensor], old: Sequence[Tensor]) -> Tensor:
        """Return one value an image, ``(N,)``, ``>= 0``, for a feature map of each layer of ``new`` and ``old``."""
        attention = self.attention(new, old)
        with torch.autocast(new[0].device.type, enabled=False):
            strengths = [full_precision(maps).square().mean(dim=1) for maps in new]
            sizes = {(maps.shape[2], maps.shape[3]) for maps in old}
            pooled = {size: self._pooled(strengths, size) for size in sorted(sizes)}
            value = attention.new_zeros(attention.shape[0])
            for place, maps in enumerate(old):
                target = activation_map(full_precision(maps.detach()))
                gaps = (pooled[maps.shape[2], maps.shape[3]] - target[:, None]).square().mean(dim=2)
                value = value + (attention[:, place] * gaps).sum(dim=1)
        return value

    def forward(self, new: Sequence[Tensor], old: Sequence[Tensor]) -> Tensor:
        """Return the scalar loss for maps ``(N, C, H, W)`` of each new layer and of each old layer."""
        return self.per_image(new, old).mean()

    @staticmethod
    def _pooled(strengths: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Unit vectors of all new layers at one size, ``(N, S, H * W)``."""
        return torch.stack(
            [unit_length(functional.adaptive_avg_pool2d(one, size).flatten(1)) for one in strengths], dim=1
        )

    def _check(self, new: Sequence[Tensor], old: Sequence[Tensor]) -> None:
        if (len(new), len(old)) != (len(self.keys), len(self.queries)):
            made = f"{len(self.keys)} new and {len(self.queries)} old layers"
            raise ValueError(f"attention_feature was made for {made}, got {len(new)} and {len(old)}")
        checks.same_length(**{f"new[{i}]": maps for i, maps in enumerate(new)}, old=old[0])
        checks.same_length(**{f"old[{j}]": maps for j, maps in enumerate(old)})
        if self.training and new[0].shape[0] < 2:
            raise checks.InputError("attention_feature needs at least two images in a batch: take larger batches")
