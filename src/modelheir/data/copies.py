"""Images that occur twice, pixel for pixel: a pool must not hold what a model is evaluated on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from modelheir.data.images import ImageSet

__all__ = ["copies_in", "picture_digests"]


def picture_digests(images: ImageSet) -> list[bytes]:
    """Return 16 bytes an image that two images share only where every pixel and the size agree (BLAKE2).

    Every image is decoded, so this is for sets in memory.

    >>> from modelheir.data import open_source
    >>> from modelheir.config.inputs import InputConfig
    >>> digits = open_source("digits", InputConfig())["train"]
    >>> len(set(picture_digests(digits))) == len(digits)
    True
    """
    found = []
    for row in range(len(images)):
        pixels = np.ascontiguousarray(images.image(row))
        found.append(hashlib.blake2b(pixels.tobytes(), digest_size=16, person=_shape(pixels)).digest())
    return found


def copies_in(pool: ImageSet, others: Iterable[ImageSet]) -> np.ndarray:
    """Tell which images of a pool are also in one of the others.

    Args:
        pool: Images in memory.
        others: Further sets in memory.

    Returns:
        Bool ``(N,)``.
    """
    known = {digest for images in others for digest in picture_digests(images)}
    return np.array([digest in known for digest in picture_digests(pool)], dtype=bool)


def _shape(pixels: np.ndarray) -> bytes:
    return np.array(pixels.shape[:2], dtype=np.int64).tobytes()
