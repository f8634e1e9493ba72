r"""Masked generative distillation (MGD): rebuild the old feature map from new channels of which some are missing.

.. math:: \ell_i = \frac{\alpha}{C' H W} \lVert G(M_i \odot A(F_i)) - F^{old}_i \rVert^2, \qquad
          G = \text{conv}_{3 \times 3} \circ \text{ReLU} \circ \text{conv}_{3 \times 3}

with ``A`` a 1 x 1 convolution where the channels differ in number, and ``M`` leaving out whole channels.
Yang et al., "Masked Generative Distillation", 2022, arXiv:2205.01529, sec. 3.2.

The paper masks places in dense tasks; whole channels, each image's drawn apart, are the form for classification, with
PaddleClas' share and scale.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.losses.features.maps import check_feature_shapes
from modelheir.losses.precision import full_precision
from modelheir.losses.seeded_layers import seeded_conv

__all__ = ["MaskedGenerativeLoss"]


class MaskedGenerativeLoss(nn.Module):
    """Holds the convolutions; they must be trained, averaged over processes and saved with the model.

    Args:
        new_shape: ``(C, H, W)`` of the new model's feature map.
        old_shape: ``(C', H, W)`` of the old model's; the same height and width.
        mask_share: Probability with which a channel is left out, 0 to 1.
        scale: ``alpha``, multiplies the mean square, ``> 0``.
        seed: Of the first weights; the same on every process.

    Raises:
        InputError: If a shape does not fit or the sizes differ.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        new_shape: Sequence[int],
        old_shape: Sequence[int],
        *,
        mask_share: float = 0.15,
        scale: float = 1.756,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_feature_shapes(3, new_shape=new_shape, old_shape=old_shape)
        checks.in_range(0, 1, mask_share=mask_share)
        checks.above(0, scale=scale)
        _same_size(new_shape, old_shape)
        self.mask_share, self.scale = mask_share, scale
        generator = torch.Generator().manual_seed(seed)
        channels = old_shape[0]

        def conv(inputs: int, size: int) -> nn.Conv2d:
            return seeded_conv(inputs, channels, size=size, generator=generator, relu=True, fan="out")

        self.align = nn.Identity() if new_shape[0] == channels else conv(new_shape[0], 1)
        self.generation = nn.Sequential(conv(channels, 3), nn.ReLU(), conv(channels, 3))

    def per_image(self, new: Tensor, old: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return one value an image, ``(N,)``, ``>= 0``, for maps ``new`` and ``old``.

        ``generator`` draws the masks and lies on the maps' device; ``None`` draws from torch's own.
        """
        _same_size(new.shape[1:], old.shape[1:])
        checks.same_length(new=new, old=old)
        with torch.autocast(new.device.type, enabled=False):
            aligned, old = self.align(full_precision(new)), full_precision(old.detach())
            drawn = torch.rand(*aligned.shape[:2], 1, 1, generator=generator, device=new.device)
            rebuilt = self.generation(aligned * (drawn >= self.mask_share))
            return self.scale * (rebuilt - old).square().mean(dim=(1, 2, 3))

    def forward(self, new: Tensor, old: Tensor) -> Tensor:
        """Return the scalar loss for maps ``new`` ``(N, C, H, W)`` and ``old`` ``(N, C', H, W)``."""
        return self.per_image(new, old).mean()


def _same_size(new: Sequence[int], old: Sequence[int]) -> None:
    if tuple(new[1:]) != tuple(old[1:]):
        sizes = f"{new[1]} x {new[2]} and {old[1]} x {old[2]}"
        raise checks.InputError(f"maps must have one size, got {sizes}: tap layers that have it.")
