"""Views that are cut out of the pixels themselves: no network, no weights.

Two halves of an image are two views in the sense of Blum and Mitchell, "Combining Labeled and Unlabeled Data with
Co-Training", 1998, made without any other data: ``left`` and ``right`` of a digit, for example.
"""

from __future__ import annotations

from torch import Tensor, nn

from modelheir import checks
from modelheir.models.encoders.encoder import Encoder
from modelheir.models.encoders.preparation import Preparation

__all__ = ["PARTS", "Pixels", "pixel_encoder"]

#: what may stand behind ``pixels:``; in pairs that share no pixel and leave none out, but for ``all``
PARTS = ("left", "right", "top", "bottom", "even", "odd", "all")


class Pixels(nn.Module):
    """The brightness of some pixels of each image, row after row.

    ``even`` and ``odd`` are every other column, counted from 0. Of an odd number of columns (rows), the middle one
    belongs to ``right`` (``bottom``).
    """

    def __init__(self, part: str) -> None:
        """Choose the pixels.

        Args:
            part: One of :data:`PARTS`.
        """
        super().__init__()
        checks.one_of(PARTS, pixels=part)
        self.part = part

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean over the channels of the chosen pixels of ``(N, channels, H, W)``, flattened.

        Example:
            >>> import torch
            >>> Pixels("right")(torch.arange(12.0).view(1, 1, 2, 6))
            tensor([[ 3.,  4.,  5.,  9., 10., 11.]])
        """
        grey = images.mean(dim=1)
        rows, columns = grey.shape[-2] // 2, grey.shape[-1] // 2
        chosen = {
            "left": grey[..., :columns],
            "right": grey[..., columns:],
            "top": grey[:, :rows],
            "bottom": grey[:, rows:],
            "even": grey[..., ::2],
            "odd": grey[..., 1::2],
            "all": grey,
        }
        return chosen[self.part].flatten(1)


def pixel_encoder(part: str, image_size: int) -> Encoder:
    """Make the encoder ``pixels:PART`` for images of ``image_size`` pixels a side.

    Raises:
        InputError: If there is no such part, or it would be empty.
    """
    address = f"pixels:{part}"
    body = Pixels(part)
    if image_size < (1 if part == "all" else 2):
        raise checks.InputError(f"{address} needs the size of the images, of 2 pixels at least: give image_size.")
    return Encoder(body, address=address, preparation=Preparation(image_size, image_size))
