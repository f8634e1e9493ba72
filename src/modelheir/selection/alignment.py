r"""How alike two pictures are once one is turned, scaled and shifted onto the other: a correlation, for many pairs.

The second picture :math:`e` is sampled at a similarity :math:`x \mapsto s R x + t` of the first one's pixels. Scale,
turn and shift are refined together with a gain and an offset of the brightness by least squares,

.. math:: \min_{s R, t, g, o} \sum_x w(x) \left( g \, e(s R x + t) + o - p(x) \right)^2,

by Gauss-Newton steps on a coarse picture and then on a fine one. Pixels count within the largest disc of the first
picture, as the corners of a turned picture hold nothing, and where the second one has pixels. The value is the
normalised cross-correlation of those. The scheme is Lucas and Kanade's (1981, "An iterative image registration
technique"), with gain and offset solved beside the motion as in Evangelidis and Psarakis 2008 (ECC).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from modelheir.selection.marks import differing_bits, perceptual_hash

__all__ = ["FINE", "Aligned", "align", "fitted"]

FINE = 32  #: pixels a side of a picture that is aligned
_COARSE = 2  #: pixels that become one
_STEPS = 8  #: of each of the two pictures
_HOPELESS = 0.8  #: correlation of coarse pictures below which a pair is not looked at any closer
_DAMPING = 1e-3


class Aligned(NamedTuple):
    """What is known of ``N`` pairs."""

    correlation: np.ndarray  #: ``(N,)``, -1 to 1: of brightness, over the pixels that both have
    detail: np.ndarray  #: ``(N,)``, -1 to 1: the same of what a blur leaves over
    overlap: np.ndarray  #: ``(N,)``, 0 to 1: share of the first picture's disc that the second has too
    bits: np.ndarray  #: ``(N,)``: differing bits of the perceptual hashes of the aligned pictures
    motion: np.ndarray  #: ``(N, 4)``: s cos, s sin, and the shift in half pictures


def fitted(image: np.ndarray, side: int = FINE) -> np.ndarray:
    """Return an image scaled to ``side`` by ``side`` pixels, float32 ``(side, side, 3)``."""
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32)


def align(first: np.ndarray, second: np.ndarray, start: np.ndarray) -> Aligned:
    """Refine a first guess and correlate.

    Args:
        first: ``(N, S, S, 3)`` float32; its disc is looked for in ``second``.
        second: ``(N, S, S, 3)`` float32. A pair that is far from alike on coarse pictures is left at that: its
            correlation is the coarse one, its detail and overlap 0, its bits 63.
        start: ``(N, 4)``: where each pair begins, such as ``(1, 0, 0, 0)``; pictures reach from -1 to 1.

    Example:
        >>> ramp = np.add.outer(np.arange(32), np.arange(32) ** 2 / 32)[None, :, :, None].repeat(3, axis=3)
        >>> found = align(ramp.astype(np.float32), 2 * ramp.astype(np.float32) + 5, np.array([[1.0, 0, 0, 0]]))
        >>> found.correlation.round(3).tolist()
        [1.0]
    """
    grey = [np.ascontiguousarray(one.mean(axis=3)) for one in (first, second)]
    motion, value = _refine(_pooled(grey[0], _COARSE), _pooled(grey[1], _COARSE), start.astype(np.float64), _STEPS)
    none = np.zeros(len(first))
    found = Aligned(value, none, none.copy(), np.full(len(first), 63), motion)
    rows = np.flatnonzero(value >= _HOPELESS)
    if len(rows):
        closer = _closer(first[rows], second[rows], grey[0][rows], grey[1][rows], motion[rows])
        for whole, part in zip(found, closer, strict=True):
            whole[rows] = part
    return found


def _closer(first: np.ndarray, second: np.ndarray, p: np.ndarray, e: np.ndarray, motion: np.ndarray) -> Aligned:
    """Refine on the fine pictures and compare them."""
    motion, _ = _refine(p, e, motion, _STEPS)
    place, inside = _places(motion, p.shape[1])
    seen = _sample(second, place)
    disc = _disc(p.shape[1])
    hashes = [np.array([perceptual_hash(_bytes(one, disc)) for one in side]) for side in (first, seen)]
    return Aligned(
        correlation=_correlation(first, seen, inside),
        detail=_correlation(first - _blurred(first), seen - _blurred(seen), inside),
        overlap=(inside & disc).sum((1, 2)) / disc.sum(),
        bits=differing_bits(*hashes).astype(np.int64),
        motion=motion,
    )


def _refine(first: np.ndarray, second: np.ndarray, motion: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Take Gauss-Newton steps, each pair for itself; return the best place on the way, and its value."""
    side = first.shape[1]
    x, y = _coordinates(side)
    down, right = np.gradient(second, axis=(1, 2))
    slope = np.stack([down, right], axis=-1) * (side / 2)  # per half picture
    layers = np.concatenate([second[..., None], slope], axis=-1)
    best, top = motion.copy(), np.full(len(first), -np.inf)
    for step in range(steps + 1):
        place, inside = _places(motion, side)
        seen = _sample(layers, place)
        value = _correlation(first[..., None], seen[..., :1], inside)
        better = value > top
        best[better], top[better] = motion[better], value[better]
        if step == steps:
            break
        e, down, right = seen[..., 0], seen[..., 1], seen[..., 2]
        columns = [right * x + down * y, down * x - right * y, right, down, e, np.ones_like(e)]
        design = np.stack(columns, axis=-1) * (inside & _disc(side))[..., None]
        design = design.reshape(len(first), side * side, 6)
        left = design.transpose(0, 2, 1) @ design
        scale = np.einsum("nii->ni", left).copy()
        left += _DAMPING * np.einsum("ni,ij->nij", scale + 1e-9, np.eye(6))
        right_side = design.transpose(0, 2, 1) @ first.reshape(len(first), -1, 1)
        found = np.linalg.solve(left, right_side)[..., 0]
        gain = np.where(np.abs(found[:, 4:5]) < 0.1, 1.0, found[:, 4:5])
        motion = motion + np.clip(found[:, :4] / gain, -0.2, 0.2)
    return best, top


def _coordinates(side: int) -> tuple[np.ndarray, np.ndarray]:
    middle = ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)
    return middle[None, :], middle[:, None]


def _disc(side: int) -> np.ndarray:
    x, y = _coordinates(side)
    return x**2 + y**2 <= 1


def _places(motion: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixel places ``(N, S, S, 2)``, rows first, in the second picture, and whether it has pixels there."""
    x, y = _coordinates(side)
    a, b, right, down = (motion[:, i, None, None].astype(np.float32) for i in range(4))
    across, along = a * x - b * y + right, b * x + a * y + down
    inside = (np.abs(across) <= 1) & (np.abs(along) <= 1)
    return (np.stack([along, across], axis=-1) + 1) / 2 * side - 0.5, inside


def _sample(layers: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Read ``(N, S, S, K)`` between pixels; beyond the border it is the border's value."""
    count, side = layers.shape[:2]
    place = np.clip(place, 0, side - 1.001)
    whole = place.astype(np.int64)
    part = (place - whole)[..., None]
    flat = layers.reshape(count * side * side, -1)
    at = (np.arange(count)[:, None, None] * side + whole[..., 0]) * side + whole[..., 1]
    down, across = part[..., 0, :], part[..., 1, :]
    return (
        flat[at] * (1 - down) * (1 - across)
        + flat[at + 1] * (1 - down) * across
        + flat[at + side] * down * (1 - across)
        + flat[at + side + 1] * down * across
    )


def _correlation(a: np.ndarray, b: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Correlate pictures ``(N, S, S, K)`` over the disc where ``inside``; 0 where one of them is flat there."""
    weight = (inside & _disc(a.shape[1]))[..., None].astype(np.float32)
    total = np.maximum(weight.sum((1, 2, 3), keepdims=True) * a.shape[3], 1)
    a = (a - (a * weight).sum((1, 2, 3), keepdims=True) / total) * weight
    b = (b - (b * weight).sum((1, 2, 3), keepdims=True) / total) * weight
    joint, own = (a * b).sum((1, 2, 3)), (a**2).sum((1, 2, 3)) * (b**2).sum((1, 2, 3))
    return np.where(own > 1e-6, joint / np.sqrt(np.maximum(own, 1e-12)), 0.0)


def _pooled(grey: np.ndarray, every: int) -> np.ndarray:
    count, side, _ = grey.shape
    return grey.reshape(count, side // every, every, side // every, every).mean((2, 4))


def _blurred(pictures: np.ndarray) -> np.ndarray:
    """Average over 5 by 5 pixels."""
    padded = np.pad(pictures, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    side = pictures.shape[1]
    rows = np.stack([padded[:, i : i + side] for i in range(5)]).mean(axis=0)
    return np.stack([rows[:, :, i : i + side] for i in range(5)]).mean(axis=0)


def _bytes(picture: np.ndarray, disc: np.ndarray) -> np.ndarray:
    """Return a picture whose corners are its mean, as 8-bit pixels."""
    filled = np.where(disc[..., None], picture, picture[disc].mean())
    return np.clip(np.rint(filled), 0, 255).astype(np.uint8)
