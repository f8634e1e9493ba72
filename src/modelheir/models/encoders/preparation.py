"""What is done to images before an encoder sees them: channels, size, crop, normalisation."""

from __future__ import annotations

import dataclasses

from torch import Tensor
from torch.nn import functional as F

__all__ = ["Preparation"]


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How one encoder wants its images. Those of any size come out square, without keeping the aspect ratio."""

    resize: int  #: pixels a side, bilinear with antialiasing; images of that size already stay as they are
    crop: int  #: pixels a side of the square that is cut from the middle; never more than ``resize``
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)  #: subtracted from each channel
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)  #: divides each channel

    def __post_init__(self) -> None:
        if not 1 <= self.crop <= self.resize:
            raise ValueError(f"crop must be from 1 to resize = {self.resize} pixels, got {self.crop}")
        if not min(self.std) > 0:
            raise ValueError(f"std must be > 0 for every channel, got {self.std}")

    def square(self, images: Tensor) -> Tensor:
        """Bring images to three channels and their size.

        Args:
            images: Float ``(N, 3, H, W)`` in 0..1; grey ones, ``(N, 1, H, W)``, are repeated to three channels.

        Returns:
            Float ``(N, 3, crop, crop)``, in 0..1.

        Raises:
            ValueError: If they are not floating-point numbers, or not of one or three channels.

        Example:
            >>> import torch
            >>> Preparation(resize=8, crop=4).square(torch.ones(2, 1, 8, 12)).shape
            torch.Size([2, 3, 4, 4])
        """
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(f"images must have shape (N, 3, H, W) or (N, 1, H, W), got {tuple(images.shape)}")
        if not images.is_floating_point():
            raise ValueError(f"images must be floating-point numbers in 0..1, got {images.dtype}")
        images = images.expand(-1, 3, -1, -1)
        if images.shape[-2:] != (self.resize, self.resize):
            images = F.interpolate(images, size=(self.resize,) * 2, mode="bilinear", antialias=True)
        edge = round((self.resize - self.crop) / 2)
        return images[..., edge : edge + self.crop, edge : edge + self.crop]
