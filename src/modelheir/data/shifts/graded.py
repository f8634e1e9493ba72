"""Shifts with strengths 1 to 5: the common corruptions of CIFAR-10-C, and a crop that is enlarged.

An amount is the strength, so that ``fog:fog:fog`` is fog of strength 1, 2 and 3, and ``fog@3`` adds three at once.
Results are rounded to whole levels, where the original cuts them off.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modelheir.data.shifts import blur, framing, light, noise, weather

__all__ = ["GRADED", "graded"]

_PART = 512  #: images at a time, so that copies stay small

Change = Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]

#: name -> what it does to floats of 0 to 1, and its setting at each strength
# fmt: off
_STRENGTHS: dict[str, tuple[Change, Sequence[Any]]] = {
    "gaussian_noise": (noise.gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": (noise.shot_noise, (500, 250, 100, 75, 50)),
    "impulse_noise": (noise.impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "speckle_noise": (noise.speckle_noise, (0.06, 0.10, 0.12, 0.16, 0.20)),
    "gaussian_blur": (blur.gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1.0)),
    "defocus_blur": (blur.defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    "glass_blur": (blur.glass_blur, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))),
    "motion_blur": (blur.motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": (blur.zoom_blur, (1.06, 1.11, 1.16, 1.21, 1.26)),
    "fog": (light.fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "frost": (light.frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))),
    "snow": (
        weather.snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "spatter": (
        weather.spatter,
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.8, 0.7, 0.5, 0), (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1), (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
    ),
    "brightness": (light.brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": (light.contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    "saturate": (light.saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))),
    "elastic": (
        framing.elastic,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    "jpeg": (framing.jpeg, (80, 65, 58, 50, 40)),
    "pixelate": (framing.pixelate, (0.95, 0.9, 0.85, 0.75, 0.65)),
    "crop_zoom": (framing.crop_zoom, (30 / 32, 28 / 32, 26 / 32, 24 / 32)),
}
# fmt: on


def graded(
    change: Change, strengths: Sequence[Any], images: np.ndarray, amount: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Change each image by the strength of its amount.

    Args:
        change: ``(images, setting, random)`` to images, float32 ``(N, H, W, 3)``, 0 to 1; what lies beyond is clipped.
        strengths: Setting of each strength, from 1.
        images: Uint8 ``(N, H, W, 3)``.
        amount: ``(N,)`` whole numbers from 0, which changes nothing, to ``len(strengths)``.
        random: Where all draws come from.

    Returns:
        Uint8 of the same shape.
    """
    out = images.copy()
    for strength in np.unique(amount[amount > 0]):
        rows = np.flatnonzero(amount == strength)
        for part in np.split(rows, range(_PART, len(rows), _PART)):
            made = change(images[part].astype(np.float32) / 255, strengths[round(strength) - 1], random)
            out[part] = np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8)
    return out


#: name -> function of ``(images, amount, random)``, and its largest amount
GRADED: dict[str, tuple[Callable[..., np.ndarray], int]] = {
    name: (functools.partial(graded, change, strengths), len(strengths))
    for name, (change, strengths) in _STRENGTHS.items()
}
