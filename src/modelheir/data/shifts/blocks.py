"""The building blocks of Seq-to-Final: noise, rotation and tint of images, flips and shares of classes.

Ji, Alaa and Sontag, "Seq-to-Final: A Benchmark for Tuning from Sequential Distributions to a Final Time Point", 2024
(arXiv 2407.09642). Images are uint8 of 0 to 255, or floats of 0 to 1, where an offset of ``k`` levels is ``k / 256``
as in the paper's code. Every function returns new arrays.
"""

from __future__ import annotations

import numpy as np

__all__ = ["add_noise", "flip_labels", "move_shares", "parity", "recolor", "red", "rotate", "slide_window", "thirds"]

_PART = 4096  #: images at a time, so that copies stay small


def add_noise(images: np.ndarray, amount: np.ndarray, random: np.random.Generator, *, highest: int = 3) -> np.ndarray:
    """Add whole levels, uniform from -3 to ``highest``, to every pixel and channel, ``amount`` times over.

    Args:
        images: ``(N, H, W, 3)``.
        amount: ``(N,)`` whole numbers >= 0: draws of each image, clipped to the range after each.
        random: Where draws come from.
        highest: 3 is symmetric (mean 0, variance 4 a draw); the paper's code has 2 (mean -0.5, variance 35 / 12).
    """
    out = images.copy()
    for done in range(int(np.max(amount, initial=0))):
        more = np.flatnonzero(np.asarray(amount) > done)
        for part in np.split(more, range(_PART, len(more), _PART)):
            out[part] = _offset(out[part], random.integers(-3, highest + 1, out[part].shape, dtype=np.int16))
    return out


def rotate(images: np.ndarray, amount: np.ndarray, random: np.random.Generator | None = None) -> np.ndarray:
    """Turn each image counter-clockwise about its centre by ``amount`` ``(N,)`` degrees.

    Nearest pixel, same size, black corners: what torchvision's ``rotate`` does to a tensor, in the same 32-bit
    arithmetic. One lookup an angle, so that many angles cost more than many images.

    Example:
        >>> ramp = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1).repeat(3, axis=3)
        >>> rotate(ramp, np.array([90.0]))[0, :, :, 0].tolist()
        [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    """
    height, width = images.shape[1:3]
    out = images.copy()
    angles = np.asarray(amount, dtype=np.float64) % 360
    for angle in np.unique(angles[angles != 0]):
        rows = np.flatnonzero(angles == angle)
        place, inside = _turned(height, width, float(angle))
        turned = images[rows].reshape(len(rows), height * width, 3)[:, place]
        turned[:, ~inside] = 0
        out[rows] = turned.reshape(len(rows), height, width, 3)
    return out


def recolor(images: np.ndarray, amount: np.ndarray, random: np.random.Generator | None = None) -> np.ndarray:
    """Add ``amount`` ``(N, 3)`` levels to the channels of each image, and clip.

    Example:
        >>> recolor(np.full((1, 1, 1, 3), 240, np.uint8), np.array([[30, 0, 0]])).tolist()
        [[[[255, 240, 240]]]]
    """
    return _offset(images, np.asarray(amount)[:, None, None, :])


def parity(labels: np.ndarray) -> np.ndarray:
    """Return +1 for images of even classes and -1 for odd ones, ``(N,)``."""
    return np.where(labels % 2 == 0, 1.0, -1.0)


def red(labels: np.ndarray) -> np.ndarray:
    """Return the red channel for every image, ``(N, 3)``."""
    return np.eye(3)[np.zeros(len(labels), dtype=np.int64)]


def thirds(labels: np.ndarray) -> np.ndarray:
    """Return which channel a class is tinted in, ``(N, 3)``: class modulo 3 is 0 for red, 1 green, 2 blue."""
    return np.eye(3)[labels % 3]


def flip_labels(
    labels: np.ndarray, amount: float, classes: int, random: np.random.Generator | None = None
) -> np.ndarray:
    """Rename classes ``amount`` times, in turn by ``C - 1 - y`` and by ``(y + 2) mod C``; -1 stays.

    Args:
        labels: ``(N,)`` int64.
        amount: A whole number >= 0.
        classes: ``C``.
        random: Not read.

    Example:
        >>> [flip_labels(np.arange(5), times, 5).tolist() for times in (1, 2)]
        [[4, 3, 2, 1, 0], [1, 0, 4, 3, 2]]
    """
    flipped = labels
    for time in range(round(amount)):
        flipped = classes - 1 - flipped if time % 2 == 0 else (flipped + 2) % classes
    return np.where(labels < 0, labels, flipped)


def move_shares(shares: np.ndarray, amount: float) -> np.ndarray:
    """Move 0.3 of the share of every even class to the odd ones, ``amount`` times.

    With an even number of classes the shares still add up to 1; with an odd one they are divided by their sum, where
    the paper, whose data have 10 or 20 classes, has no rule.

    Args:
        shares: ``(C, F)``: of all images, for every class and each of its finer classes.
        amount: From -10/3 to 10/3, beyond which a share would be below zero.
    """
    odd = np.arange(len(shares)) % 2 == 1
    moved = shares * np.where(odd, 1 + 0.3 * amount, 1 - 0.3 * amount)[:, None]
    return moved / moved.sum()


def slide_window(shares: np.ndarray, amount: float) -> np.ndarray:
    """Give every class to some of its ``F`` finer classes alone, in equal parts, which move on with ``amount``.

    Before the first occurrence these are the first two, then the first three, then always the next three.

    Args:
        shares: ``(C, F)``; the sums over finer classes are kept.
        amount: A whole number from 0 to ``F - 2``.

    Example:
        >>> [np.flatnonzero(slide_window(np.full((1, 5), 0.2), k)[0]).tolist() for k in (0, 1, 2)]
        [[0, 1], [0, 1, 2], [1, 2, 3]]
    """
    first, last = max(round(amount) - 1, 0), round(amount) + 1
    window = np.arange(shares.shape[1])
    window = ((window >= first) & (window <= last)) / (last - first + 1)
    return shares.sum(axis=1, keepdims=True) * window


def _offset(images: np.ndarray, levels: np.ndarray) -> np.ndarray:
    if images.dtype == np.uint8:
        return np.clip(images + levels, 0, 255).astype(np.uint8)
    return np.clip(images + levels / 256, 0, 1).astype(images.dtype)


def _turned(height: int, width: int, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for every pixel the number of the one it shows, and whether that lies in the picture; ``(H * W,)``."""
    cosine, sine = (np.float32(one(np.deg2rad(angle))) for one in (np.cos, np.sin))
    x = (np.arange(width) - np.float32((width - 1) / 2)).astype(np.float32)[None, :]
    y = (np.arange(height) - np.float32((height - 1) / 2)).astype(np.float32)[:, None]
    half_width, half_height = np.float32(0.5 * width), np.float32(0.5 * height)
    across = x * (cosine / half_width) + y * (-sine / half_width)  # -1 to 1 over the picture, as in grid_sample
    down = x * (sine / half_height) + y * (cosine / half_height)
    column = np.rint(((across + 1) * width - 1) / np.float32(2)).astype(np.int64)
    row = np.rint(((down + 1) * height - 1) / np.float32(2)).astype(np.int64)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where(inside, row * width + column, 0).ravel(), inside.ravel()
