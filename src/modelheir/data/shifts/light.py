"""Light and weather of a graded strength, on floats of 0 to 1 ``(N, H, W, 3)``; the caller clips.

Hendrycks and Dietterich, 2019, with the strengths of CIFAR-10-C. Departure: frost is drawn, where the original lays
photographs of windows over the image, which belong to others.
"""

from __future__ import annotations

import numpy as np

__all__ = ["brightness", "contrast", "fog", "frost", "plasma", "saturate"]

_ICE = np.array([0.82, 0.91, 1.0], dtype=np.float32)  #: colour of frost


def brightness(images: np.ndarray, more: float, random: np.random.Generator | None = None) -> np.ndarray:
    """Add to the largest channel of each pixel, HSV's value, up to 1; hue and saturation stay."""
    value = images.max(axis=3, keepdims=True)
    brighter = np.clip(value + np.float32(more), 0, 1)
    return np.where(value > 0, images * (brighter / np.maximum(value, np.float32(1e-6))), brighter)


def saturate(images: np.ndarray, change: tuple[float, float], random: np.random.Generator | None = None) -> np.ndarray:
    """Multiply HSV's saturation by ``change[0]`` and add ``change[1]``, within 0 and 1; hue and value stay.

    A grey pixel has the hue of red, as the colour model says.
    """
    value = images.max(axis=3, keepdims=True)
    chroma = value - images.min(axis=3, keepdims=True)
    old = np.where(value > 0, chroma / np.maximum(value, np.float32(1e-6)), 0)
    new = np.clip(old * np.float32(change[0]) + np.float32(change[1]), 0, 1)
    red = np.array([0, 1, 1], dtype=np.float32)
    lacking = np.where(chroma > 0, (value - images) / np.maximum(chroma, np.float32(1e-6)), red)
    return value * (1 - new * lacking)


def contrast(images: np.ndarray, share: float, random: np.random.Generator | None = None) -> np.ndarray:
    """Bring every value nearer to the mean of its image and channel: ``share`` of the distance is left."""
    mean = images.mean(axis=(1, 2), keepdims=True)
    return (images - mean) * np.float32(share) + mean


def fog(images: np.ndarray, air: tuple[float, float], random: np.random.Generator) -> np.ndarray:
    """Add a cloud of up to ``air[0]`` and scale so that the brightest value stays; ``air[1]``: see :func:`plasma`."""
    thick, decay = air
    cloud = plasma(len(images), images.shape[1:3], decay, random)[..., None]
    largest = images.max(axis=(1, 2, 3), keepdims=True)
    return (images + np.float32(thick) * cloud) * (largest / (largest + np.float32(thick)))


def frost(images: np.ndarray, ice: tuple[float, float], random: np.random.Generator) -> np.ndarray:
    """Keep ``ice[0]`` of the image and add ``ice[1]`` of a pane with bright crystals along the ridges of a cloud."""
    kept, added = ice
    ridges = (1 - np.abs(2 * plasma(len(images), images.shape[1:3], 1.6, random) - 1)) ** 3
    pane = (0.25 + 0.75 * ridges)[..., None] * _ICE
    return np.float32(kept) * images + np.float32(added) * pane


def plasma(n: int, size: tuple[int, ...], decay: float, random: np.random.Generator) -> np.ndarray:
    """Draw ``n`` clouds of 0 to 1, float32 ``(n, H, W)``, by the diamond-square rule on a torus.

    Each halving of the distance between drawn points divides the random part by ``decay ** 2``: larger is smoother.
    """
    side = 1 << (max(size) - 1).bit_length()
    cloud = np.zeros((n, side, side), dtype=np.float32)
    step, strength = side, 1.0
    while step >= 2:
        half = step // 2
        corners = cloud[:, ::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=1)
        cloud[:, half::step, half::step] = _wobble((pairs + np.roll(pairs, -1, axis=2)) / 4, strength, random)
        middle = cloud[:, half::step, half::step]
        across = corners + np.roll(corners, -1, axis=2) + middle + np.roll(middle, 1, axis=1)
        along = corners + np.roll(corners, -1, axis=1) + middle + np.roll(middle, 1, axis=2)
        cloud[:, ::step, half::step] = _wobble(across / 4, strength, random)
        cloud[:, half::step, ::step] = _wobble(along / 4, strength, random)
        step, strength = half, strength / decay**2
    cloud -= cloud.min(axis=(1, 2), keepdims=True)
    cloud /= np.maximum(cloud.max(axis=(1, 2), keepdims=True), np.float32(1e-9))
    return cloud[:, : size[0], : size[1]]


def _wobble(values: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    return values + np.float32(strength) * random.uniform(-1, 1, values.shape).astype(np.float32)
