r"""Where the pixels of the model's square come from: resize, crop, flip, erase, ten crops.

Reading one image (:func:`prepare`) uses Pillow's bilinear filter. :func:`resized_crops` does the same for a batch on
any device, as two small matrix products a picture: with scale :math:`s = max(1, crop / size)`, output pixel ``j``
weighs input pixel ``i`` of the crop by the triangle :math:`max(0, 1 - |i + 0.5 - (j + 0.5) crop / size| / s)`,
normalised. It agrees with Pillow's to one or two of 255 grey levels.

Every random choice is an argument, drawn beforehand.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = [
    "crop_boxes",
    "erase_boxes",
    "erase_rectangles",
    "flip",
    "prepare",
    "resized_crop",
    "resized_crops",
    "shift_crop",
    "ten_crops",
]


def prepare(image: np.ndarray, *, resize: int, size: int) -> np.ndarray:
    """Resize the short side to ``resize`` and cut the centre square of ``size``; uint8 ``(H, W, 3)`` in and out."""
    return _centre(_short_side(image, resize), size)


def ten_crops(image: np.ndarray, *, resize: int, size: int) -> np.ndarray:
    """Resize the short side, then cut four corners and the centre, and the same five mirrored.

    Returns:
        Uint8 ``(10, size, size, 3)``.
    """
    image = _short_side(image, resize)
    height, width = image.shape[:2]
    bottom, right = height - size, width - size
    corners = [image[y : y + size, x : x + size] for y in (0, bottom) for x in (0, right)]
    five = np.stack([*corners, _centre(image, size)])
    return np.concatenate([five, five[:, :, ::-1]])


def crop_boxes(draws: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Choose the boxes of random resized crops: area 8 to 100 %, aspect 3/4 to 4/3 (log-uniform).

    A box that does not fit is drawn again, ten times; then the largest centred box of a nearest allowed aspect.

    Args:
        draws: Uniform numbers in [0, 1), ``(N, 22)``: area and aspect ten times, then the place.
        sizes: ``(N, 2)``: height and width of every image.

    Returns:
        Int64 ``(N, 4)``: top, left, height, width.

    Szegedy et al., "Going Deeper with Convolutions", 2015, section 6.
    """
    high, wide = sizes[:, 0].astype(np.float64), sizes[:, 1].astype(np.float64)
    whole = np.clip(wide / high, 3 / 4, 4 / 3)
    height, width = np.minimum(high, np.rint(wide / whole)), np.minimum(wide, np.rint(high * whole))
    centred = np.ones(len(draws), dtype=bool)
    for attempt in range(9, -1, -1):
        area = high * wide * (0.08 + 0.92 * draws[:, 2 * attempt])
        aspect = np.exp((2 * draws[:, 2 * attempt + 1] - 1) * np.log(4 / 3))
        h, w = np.rint(np.sqrt(area / aspect)), np.rint(np.sqrt(area * aspect))
        fits = (h >= 1) & (w >= 1) & (h <= high) & (w <= wide)
        height, width = np.where(fits, h, height), np.where(fits, w, width)
        centred &= ~fits
    top = np.where(centred, (high - height) // 2, np.floor(draws[:, 20] * (high - height + 1)))
    left = np.where(centred, (wide - width) // 2, np.floor(draws[:, 21] * (wide - width + 1)))
    return np.stack([top, left, height, width], axis=1).astype(np.int64)


def resized_crop(image: np.ndarray, box: np.ndarray, *, size: int) -> np.ndarray:
    """Cut one box and resize it to a square of ``size``; uint8 ``(H, W, 3)`` in and out."""
    top, left, height, width = (int(value) for value in box)
    return _resized(image[top : top + height, left : left + width], size, size)


def resized_crops(images: Tensor, boxes: Tensor, *, size: int) -> Tensor:
    """Cut a box from every image and resize it to a square, on the images' device.

    Args:
        images: Uint8 ``(N, channels, H, W)``.
        boxes: Int64 ``(N, 4)`` on the same device: top, left, height, width.
        size: Pixels a side of the result.

    Returns:
        Uint8 ``(N, channels, size, size)``.
    """
    rows = _filters(boxes[:, 0], boxes[:, 2], images.shape[2], size)
    columns = _filters(boxes[:, 1], boxes[:, 3], images.shape[3], size)
    out = rows[:, None] @ images.float() @ columns[:, None].transpose(2, 3)
    return out.round_().clamp_(0, 255).to(torch.uint8)


def shift_crop(images: Tensor, offsets: Tensor, *, pad: int) -> Tensor:
    """Pad with black by ``pad`` and cut the old size at ``offsets`` ``(N, 2)``, each from 0 to ``2 * pad``."""
    n, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    y = offsets[:, 0, None] + torch.arange(height, device=images.device)
    x = offsets[:, 1, None] + torch.arange(width, device=images.device)
    image = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[image, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def flip(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the chosen images left to right; ``chosen`` is a mask ``(N,)``."""
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def erase_boxes(draws: np.ndarray, *, probability: float, size: int) -> np.ndarray:
    """Choose rectangles of 2 to 33 % of the area, aspect 0.3 to 3.3; a box cut at the border stays cut.

    Args:
        draws: Uniform numbers in [0, 1), ``(N, 5)``.
        probability: Share of images that get a rectangle.
        size: Pixels a side.

    Returns:
        Int64 ``(N, 4)``: top, left, height, width; height 0 where nothing is erased.

    Zhong et al., "Random Erasing Data Augmentation", 2017.
    """
    area = size * size * (0.02 + 0.31 * draws[:, 1])
    aspect = np.exp(np.log(0.3) + draws[:, 2] * (np.log(3.3) - np.log(0.3)))
    height = np.clip(np.rint(np.sqrt(area * aspect)), 1, size)
    width = np.clip(np.rint(np.sqrt(area / aspect)), 1, size)
    top, left = np.floor(draws[:, 3] * (size - height + 1)), np.floor(draws[:, 4] * (size - width + 1))
    height = np.where(draws[:, 0] < probability, height, 0)
    return np.stack([top, left, height, width], axis=1).astype(np.int64)


def erase_rectangles(images: Tensor, boxes: Tensor) -> Tensor:
    """Grey (0.5) the rectangles ``boxes`` ``(N, 4)`` of float images in 0..1."""
    y = torch.arange(images.shape[2], device=images.device)[None, :, None]
    x = torch.arange(images.shape[3], device=images.device)[None, None, :]
    top, left, height, width = (boxes[:, i, None, None] for i in range(4))
    inside = (y >= top) & (y < top + height) & (x >= left) & (x < left + width)
    return images.masked_fill(inside[:, None], 0.5)


def _filters(start: Tensor, length: Tensor, n: int, size: int) -> Tensor:
    ratio = length.float() / size
    spread = ratio.clamp_min(1)[:, None, None]
    inputs = torch.arange(n, device=start.device)[None, None, :]
    centres = (torch.arange(size, device=start.device)[None, :] + 0.5) * ratio[:, None]
    distance = (inputs - start[:, None, None]) + 0.5 - centres[:, :, None]
    weights = (1 - distance.abs() / spread).clamp_min(0)
    inside = (inputs >= start[:, None, None]) & (inputs < (start + length)[:, None, None])
    weights = weights * inside
    return weights / weights.sum(dim=2, keepdim=True)


def _short_side(image: np.ndarray, resize: int) -> np.ndarray:
    height, width = image.shape[:2]
    if min(height, width) == resize:
        return image
    if height <= width:
        return _resized(image, resize, int(resize * width / height))
    return _resized(image, int(resize * height / width), resize)


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return image
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def _centre(image: np.ndarray, size: int) -> np.ndarray:
    top, left = round((image.shape[0] - size) / 2), round((image.shape[1] - size) / 2)
    return image[top : top + size, left : left + size]
