r"""Thumbnails as unit vectors, of an image as it is and of crops and turns of it, for a search by cosine.

A pool image that is a crop, a turn, a scaled or a brighter version of a known image is near one of that image's
*views*: sampled from its thumbnail at the motions :data:`VIEWS`. A vector holds the colours within the largest disc of
the picture, as the corners of a turned picture are empty; its mean is 0 and its length 1, so that brightness and
contrast leave the cosine as it is. A flat picture has the vector 0.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

__all__ = ["VIEWS", "describe", "describe_views"]

_SIDE = 8  #: pixels a side of a view


def _views() -> np.ndarray:
    turns = [(1.0, angle, 0.0, 0.0) for angle in (0.0, -7.5, 7.5, -15.0, 15.0)]
    wide = [(0.85, 0.0, x, y) for x, y in ((0.0, 0.0), *itertools.product((-0.15, 0.15), repeat=2))]
    close = [(0.7, 0.0, x, y) for x, y in itertools.product((-0.3, -0.1, 0.1, 0.3), repeat=2)]
    found = [
        (s * math.cos(math.radians(angle)), s * math.sin(math.radians(angle)), x, y)
        for s, angle, x, y in (*turns, *wide, *close)
    ]
    return np.array(found)


#: ``(V, 4)``: s cos, s sin, and the shift in half pictures; the first leaves the picture as it is
VIEWS = _views()


def describe(thumbnails: np.ndarray) -> np.ndarray:
    """Return the vectors of thumbnails as they are.

    Args:
        thumbnails: Uint8 ``(N, S, S, 3)``, S even and at least 16.

    Returns:
        Float32 ``(N, D)``.

    Example:
        >>> picture = np.arange(768, dtype=np.uint8).reshape(1, 16, 16, 3) // 2
        >>> bool(np.allclose(describe(picture), describe(picture + 50), atol=1e-5))
        True
    """
    return describe_views(thumbnails, VIEWS[:1])[:, 0]


def describe_views(thumbnails: np.ndarray, views: np.ndarray = VIEWS) -> np.ndarray:
    """Return the vectors of views of thumbnails, float32 ``(N, V, D)``; arguments as in :func:`describe`."""
    count, side = thumbnails.shape[:2]
    middle = (np.arange(_SIDE) + 0.5) / _SIDE * 2 - 1
    x, y = np.meshgrid(middle, middle)
    disc = x**2 + y**2 <= 1
    x, y = x[disc], y[disc]
    a, b, right, down = (views[:, i, None] for i in range(4))
    places = np.stack([b * x + a * y + down, a * x - b * y + right], axis=-1)
    places = np.clip((places + 1) / 2 * side - 0.5, 0, side - 1.001)
    whole = places.astype(np.int64)
    part = (places - whole).astype(np.float32)[..., None]
    flat = thumbnails.reshape(count, side * side, 3)
    at = whole[..., 0] * side + whole[..., 1]
    low, across = part[..., 0, :], part[..., 1, :]
    found = flat[:, at] * ((1 - low) * (1 - across)) + flat[:, at + 1] * ((1 - low) * across)
    found += flat[:, at + side] * (low * (1 - across)) + flat[:, at + side + 1] * (low * across)
    vectors = found.reshape(count, len(views), -1).astype(np.float32)
    vectors -= vectors.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > 1.0, vectors / np.maximum(length, 1.0), 0.0).astype(np.float32)
