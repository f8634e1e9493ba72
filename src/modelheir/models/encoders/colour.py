r"""A view without a network: how often each colour occurs in an image, in CIE L*a*b*.

Lightness is cut into 4 steps and each of a* and b* into 8, which makes 256 bins; a value is the share of the pixels
in its bin. sRGB is turned into L*a*b* under the white of daylight D65 (IEC 61966-2-1; CIE 15).

The older system kept such a histogram of 256 bins from earlier work; how its bins lay is not known, and this grid is
ours. Its other colour view, a signature of a few colours with an earth mover's distance, is no vector and is not here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modelheir.models.encoders.encoder import Encoder
from modelheir.models.encoders.preparation import Preparation

__all__ = ["ColourHistogram", "colour_encoder", "srgb_to_lab"]

#: linear red, green and blue to X, Y, Z, each divided by that of the white point, so that white is (1, 1, 1)
_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_STEPS = (4, 8, 8)
_LOW = (0.0, -126.0, -126.0)  #: with ``_HIGH``, all of sRGB; grey, where a* = b* = 0, is in the middle of a bin
_HIGH = (100.0, 98.0, 98.0)
_SIZE = 64  #: pixels a side where none is asked for; a histogram needs no more


def srgb_to_lab(images: Tensor) -> Tensor:
    """Turn sRGB into CIE L*a*b*.

    Args:
        images: ``(N, 3, H, W)`` in 0..1.

    Returns:
        ``(N, 3, H, W)``: lightness in 0..100, then a* (green to red) and b* (blue to yellow), about -110..110.

    Example:
        >>> srgb_to_lab(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).flatten().round().tolist()
        [53.0, 80.0, 67.0]
    """
    linear = torch.where(images <= 0.04045, images / 12.92, ((images + 0.055) / 1.055).clamp_min(0) ** 2.4)
    matrix = images.new_tensor(_TO_XYZ)
    xyz = torch.einsum("ij,njhw->nihw", matrix / matrix.sum(dim=1, keepdim=True), linear)
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp_min(0) ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = f.unbind(dim=1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), dim=1)


class ColourHistogram(nn.Module):
    """Images in 0..1 to the shares of their pixels in 256 bins of CIE L*a*b*, which add up to 1."""

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(N, 256)`` for ``(N, 3, H, W)``: lightness varies slowest, b* fastest."""
        lab = srgb_to_lab(images.float())
        number = torch.zeros_like(lab[:, 0], dtype=torch.int64)
        for value, steps, low, high in zip(lab.unbind(dim=1), _STEPS, _LOW, _HIGH, strict=True):
            place = ((value - low) * (steps / (high - low))).floor().clamp(0, steps - 1).long()
            number = number * steps + place
        number = number.flatten(1)
        counts = lab.new_zeros(len(number), _STEPS[0] * _STEPS[1] * _STEPS[2])
        return counts.scatter_add_(1, number, torch.ones_like(number, dtype=lab.dtype)) / number.shape[1]


def colour_encoder(image_size: int = 0) -> Encoder:
    """Make the encoder ``colour``, which sees images of ``image_size`` pixels a side, or of 64 where it is 0."""
    size = image_size or _SIZE
    return Encoder(ColourHistogram(), address="colour", preparation=Preparation(size, size))
