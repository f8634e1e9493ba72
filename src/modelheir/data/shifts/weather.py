"""Snow and spatter of a graded strength, on floats of 0 to 1 ``(N, H, W, 3)``; the caller clips.

Hendrycks and Dietterich, 2019, with the strengths of CIFAR-10-C. Departures: flakes smear as in
:mod:`modelheir.data.shifts.blur`; the edges that water glints at are the borders of its drops, where the original finds
edges by Canny's rule, and nothing on the way is rounded to whole levels.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from modelheir.data.shifts.blur import motion_blur, zoom

__all__ = ["glints", "snow", "spatter"]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_WATER = np.array([175, 238, 238], dtype=np.float32) / 255
_MUD = np.array([63, 42, 20], dtype=np.float32) / 255
_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
_FAR = 20  #: pixels from an edge beyond which water looks alike
_SOLID = 0.8  #: of mud, below which there is none


def snow(
    images: np.ndarray, fall: tuple[float, float, float, float, int, float, float], random: np.random.Generator
) -> np.ndarray:
    """Whiten an image and let flakes fall on it, and the same flakes turned by 180 degrees.

    ``fall`` is mean and deviation of the normal numbers that flakes are made of, how much these are enlarged, the least
    that is a flake, reach and deviation of the smear downwards in pixels, and the share of the image that stays.
    """
    mean, deviation, larger, least, reach, smear, kept = fall
    flakes = random.normal(mean, deviation, (*images.shape[:3], 1)).astype(np.float32)
    flakes = zoom(flakes, larger)
    flakes = np.where(flakes < np.float32(least), np.float32(0), np.clip(flakes, 0, 1))
    flakes = motion_blur(flakes, (reach, smear), random, towards=-90)
    pale = np.maximum(images, (images @ _LUMA)[..., None] * np.float32(1.5) + np.float32(0.5))
    return np.float32(kept) * images + np.float32(1 - kept) * pale + flakes + flakes[:, ::-1, ::-1]


def spatter(
    images: np.ndarray, liquid: tuple[float, float, float, float, float, int], random: np.random.Generator
) -> np.ndarray:
    """Throw drops of water, which glint, or of mud, which covers.

    ``liquid`` is mean and deviation of the normal numbers that drops are made of, the Gaussian that joins them in
    pixels, the least that is a drop, the strength of water or the Gaussian that smooths mud, and 1 for mud.
    """
    mean, deviation, join, least, amount, mud = liquid
    layer = random.normal(mean, deviation, images.shape[:3])
    layer = ndimage.gaussian_filter(layer, (0, join, join), mode="nearest")
    drops = layer > least
    if mud:
        cover = ndimage.gaussian_filter(drops.astype(np.float32), (0, amount, amount), mode="nearest")
        cover = np.where(cover < _SOLID, np.float32(0), cover)[..., None]
        return images * (1 - cover) + cover * _MUD
    water = np.stack([glints(one) for one in drops]) * np.where(drops, layer, 0)
    most = water.max(axis=(1, 2), keepdims=True)
    water = (water / np.where(most > 0, most, 1) * amount).astype(np.float32)
    return images + water[..., None] * _WATER


def glints(drops: np.ndarray) -> np.ndarray:
    """Return how brightly water shines at each place, 0 to 255, by the distance to the border of a drop.

    Distances up to 20 pixels are smoothed, spread evenly over 0 to 255 by rank, embossed towards the lower right, and
    smoothed.

    Args:
        drops: Booleans ``(H, W)``, true where there is water.
    """
    inside: np.ndarray = ndimage.binary_erosion(drops, border_value=1)
    border = drops & ~inside
    if not border.any():
        return np.zeros(drops.shape)
    far: np.ndarray = ndimage.distance_transform_edt(~border)  # type: ignore[assignment]
    far = np.minimum(far, _FAR)
    far = np.floor(ndimage.uniform_filter(far, 3, mode="mirror") + 1e-9)
    levels, counts = np.unique(far, return_counts=True)
    below = np.cumsum(counts) - counts[0]
    spread = np.rint(255 * below / max(below[-1], 1))[np.searchsorted(levels, far)]
    embossed = np.clip(ndimage.correlate(spread, _EMBOSS, mode="mirror"), 0, 255)
    return ndimage.uniform_filter(embossed, 3, mode="mirror")
