"""Blur of a graded strength, on floats of 0 to 1 ``(N, H, W, 3)``.

Hendrycks and Dietterich, 2019, with the strengths of CIFAR-10-C. Departures: motion is sampled here rather than
by ImageMagick, and zoom without rounding the cut to whole pixels.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

__all__ = ["defocus_blur", "gaussian_blur", "glass_blur", "motion_blur", "zoom", "zoom_blur"]


def gaussian_blur(images: np.ndarray, deviation: float, random: np.random.Generator | None = None) -> np.ndarray:
    """Blur with a Gaussian of ``deviation`` pixels."""
    return ndimage.gaussian_filter(images, (0, deviation, deviation, 0), mode="nearest")


def defocus_blur(
    images: np.ndarray, lens: tuple[float, float], random: np.random.Generator | None = None
) -> np.ndarray:
    """Blur with a disc of ``lens[0]`` pixels, its edge softened by a Gaussian of ``lens[1]`` pixels."""
    radius, soft = lens
    reach = int(np.ceil(radius)) + 1
    line = np.arange(-reach, reach + 1)
    disc = (line[:, None] ** 2 + line[None, :] ** 2 <= radius**2).astype(np.float64)
    taps = np.exp(-(np.array([-1, 0, 1]) ** 2) / (2 * soft**2))
    for axis in (0, 1):
        disc = ndimage.correlate1d(disc, taps, axis=axis, mode="constant")
    return ndimage.correlate(images, (disc / disc.sum())[None, :, :, None], mode="mirror")


def glass_blur(images: np.ndarray, glass: tuple[float, int, int], random: np.random.Generator) -> np.ndarray:
    """Blur, let each pixel show one up to ``glass[1]`` above and left of it, ``glass[2]`` times over, and blur again.

    ``glass[0]`` is the deviation of both blurs, in pixels. (The original means to swap the two pixels, in an assignment
    that overwrites one of them; this is what it comes to.)
    """
    deviation, reach, times = glass
    out = gaussian_blur(images, deviation)
    height, width = out.shape[1:3]
    for _ in range(times):
        up, left = random.integers(0, reach + 1, (2, *out.shape[:3]))
        row = np.maximum(np.arange(height)[:, None] - up, 0)
        column = np.maximum(np.arange(width) - left, 0)
        out = out[np.arange(len(out))[:, None, None], row, column]
    return gaussian_blur(out, deviation)


def motion_blur(
    images: np.ndarray, motion: tuple[int, float], random: np.random.Generator, *, towards: float = 0
) -> np.ndarray:
    """Smear along a direction of each image, up to 45 degrees from ``towards``: 0 is to the right, 90 down.

    Pixels up to ``2 * motion[0]`` behind weigh by a Gaussian of ``motion[1]`` pixels; the border pixel stands for those
    beyond it.
    """
    radius, deviation = motion
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * deviation**2))
    angle = np.deg2rad(towards + random.uniform(-45, 45, len(images)))
    height, width = images.shape[1:3]
    rows, columns = np.arange(height), np.arange(width)
    every = np.arange(len(images))[:, None, None]
    out = np.zeros_like(images)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        down, right = (np.rint(step * one).astype(np.int64)[:, None] for one in (np.sin(angle), np.cos(angle)))
        row, column = np.clip(rows - down, 0, height - 1), np.clip(columns - right, 0, width - 1)
        out += np.float32(weight) * images[every, row[:, :, None], column[:, None, :]]
    return out


def zoom_blur(images: np.ndarray, largest: float, random: np.random.Generator | None = None) -> np.ndarray:
    """Average the image and its enlargements by 1.00, 1.01, ... up to ``largest``."""
    factors = 1 + np.arange(round((largest - 1) * 100) + 1) / 100
    return (images + sum(zoom(images, float(factor)) for factor in factors)) / np.float32(len(factors) + 1)


def zoom(images: np.ndarray, factor: float) -> np.ndarray:
    """Enlarge the middle by ``factor`` >= 1, bilinearly; the size stays."""
    rows, columns = (_filter(size, factor) for size in images.shape[1:3])
    return np.einsum("ij,njkc->nikc", rows, np.einsum("ij,nkjc->nkic", columns, images, optimize=True), optimize=True)


def _filter(size: int, factor: float) -> np.ndarray:
    """Return what every pixel of the result is made of, ``(size, size)``, rows adding up to 1."""
    place = (np.arange(size) + 0.5 - size / 2) / factor + size / 2 - 0.5
    weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(size)[None, :]))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
