"""Images that occur twice, pixel for pixel: a pool must not hold what a model is evaluated on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from modelheir.data.images import ImageSet

__all__ = ["copies_in", "picture_digest", "picture_digests"]


def picture_digests(images: ImageSet) -> list[bytes]:
    """Return 16 bytes an image that two images share only where every pixel and the size agree (BLAKE2).

    Every image is decoded, so this is for sets in memory.

    >>> from modelheir.data import open_source
    >>> from modelheir.config.inputs import InputConfig
    >>> digits = open_source("digits", InputConfig())["train"]
    >>> len(set(picture_digests(digits))) == len(digits)
    True
    """
    return [_digest(images.image(row), 16) for row in range(len(images))]


def picture_digest(pixels: np.ndarray) -> int:
    """Return a number of 64 bits that tells whether an image is pixel for pixel what it was.

    Args:
        pixels: Uint8 ``(H, W, 3)``.

    Returns:
        BLAKE2b of 8 bytes, the lowest first, of the pixels in the order of memory; its ``person`` is height and width,
        8 bytes each, the lowest first.

    Example:
        >>> picture_digest(np.zeros((1, 2, 3), np.uint8)) == picture_digest(np.zeros((2, 1, 3), np.uint8))
        False
    """
    return int.from_bytes(_digest(pixels, 8), "little")


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


def _digest(pixels: np.ndarray, size: int) -> bytes:
    pixels = np.ascontiguousarray(pixels)
    return hashlib.blake2b(pixels.tobytes(), digest_size=size, person=_shape(pixels)).digest()


def _shape(pixels: np.ndarray) -> bytes:
    return np.array(pixels.shape[:2], dtype="<i8").tobytes()
