r"""What an image is known by when copies of it are looked for: its pixels' digest, a perceptual hash, a thumbnail.

The perceptual hash has 63 bits. With the cosine transform :math:`D` of the image in grey, scaled to 32 by 32 pixels,
bit :math:`(u, v)`, :math:`0 \le u, v < 8`, says

.. math:: D_{uv} > \operatorname{median}\{D_{uv} : (u, v) \ne (0, 0)\}

for all but the mean :math:`D_{00}`, whose bit is 0. Brightness and contrast leave it as it is (but for clipped
pixels), and so does the scale. A hash of this kind is folklore; we know of no paper that has it first.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable

import numpy as np
import scipy.fft
from PIL import Image

__all__ = ["THUMBNAIL", "Marked", "content_digest", "differing_bits", "grey", "perceptual_hash", "thumbnail"]

THUMBNAIL = 16  #: pixels a side

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  #: of ITU-R BT.601, as in JPEG
_SIDE, _KEPT = 32, 8
_PAIRWISE = [
    (np.uint64(1 << k), np.uint64(sum(((1 << (1 << k)) - 1) << at for at in range(0, 64, 2 << k)))) for k in range(6)
]
_WEIGHTS = np.uint64(1) << np.arange(_KEPT * _KEPT, dtype=np.uint64)


@dataclasses.dataclass(frozen=True, eq=False)
class Marked:
    """Images that copies are looked for in, or of; ``N`` rows."""

    content: np.ndarray  #: ``(N,)`` digests
    hash: np.ndarray  #: uint64 ``(N,)``
    thumbnail: np.ndarray  #: uint8 ``(N, S, S, 3)``
    features: np.ndarray  #: ``(N, D)`` of the teacher
    read: Callable[[int], np.ndarray]  #: row -> uint8 ``(H, W, 3)``

    def __len__(self) -> int:
        return len(self.hash)

    def take(self, rows: np.ndarray) -> Marked:
        """Return some rows, in their order."""
        return Marked(
            self.content[rows], self.hash[rows], self.thumbnail[rows], self.features[rows],
            lambda row: self.read(int(rows[row])),
        )  # fmt: skip


def content_digest(image: np.ndarray) -> bytes:
    """Return 16 bytes that are equal for equal pixels.

    Args:
        image: Uint8 ``(H, W, 3)``.

    Example:
        >>> black = np.zeros((2, 3, 3), dtype=np.uint8)
        >>> content_digest(black) == content_digest(black.copy()), content_digest(black) == content_digest(black + 1)
        (True, False)
    """
    found = hashlib.blake2b(np.array(image.shape, dtype="<i8").tobytes(), digest_size=16)
    found.update(np.ascontiguousarray(image).tobytes())
    return found.digest()


def grey(image: np.ndarray) -> np.ndarray:
    """Return the brightness of uint8 ``(H, W, 3)`` as float32 ``(H, W)``, 0 to 255."""
    return image.astype(np.float32) @ _LUMA


def thumbnail(image: np.ndarray, side: int = THUMBNAIL) -> np.ndarray:
    """Return the image scaled to ``side`` by ``side`` pixels whatever its shape, uint8 ``(side, side, 3)``."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def perceptual_hash(image: np.ndarray) -> np.uint64:
    """Return the hash of uint8 ``(H, W, 3)``; see :func:`differing_bits`.

    Example:
        >>> ramp = np.tile(np.arange(64, dtype=np.uint8)[:, None, None], (1, 64, 3))
        >>> bool(perceptual_hash(ramp) == perceptual_hash(ramp * 2 + 10))
        True
    """
    small = Image.fromarray(grey(image)).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    waves = np.asarray(scipy.fft.dctn(np.asarray(small, dtype=np.float64), norm="ortho"))[:_KEPT, :_KEPT].ravel()
    waves[np.abs(waves) < 1e-3] = 0  # rounding of a flat image must not decide
    bits = waves > np.median(waves[1:])
    bits[0] = False
    return np.uint64(_WEIGHTS[bits].sum(dtype=np.uint64))


def differing_bits(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how many bits of hashes differ, 0 to 63; the arrays are uint64 and broadcast.

    >>> differing_bits(np.array([[0b1011]], np.uint64), np.array([0b1000, 0b1011], np.uint64)).tolist()
    [[2, 0]]
    """
    bits = np.bitwise_xor(a, b)
    for shift, mask in _PAIRWISE:  # counts of neighbours are added, in ever wider fields
        bits = (bits & mask) + ((bits >> shift) & mask)
    return bits.astype(np.uint8)
