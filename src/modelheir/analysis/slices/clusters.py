"""Clusters of feature vectors: their main directions, then k-means; the same for the same vectors in the same order.

Directions as in Halko, Martinsson and Tropp, "Finding structure with randomness", 2011, algorithm 4.4. k-means of
Lloyd, 1982, from starting points as in Arthur and Vassilvitskii, "k-means++", 2007.
"""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["k_means", "nearest_centre", "project"]

_BLOCK = 4096  #: rows at a time, so that a memory-mapped file need not fit
_ROUNDS = 30  #: of k-means, where it does not settle before
_SPARE, _POWERS = 8, 3  #: axes sought beyond those kept, and rounds of the search


def project(values: np.ndarray, rows: np.ndarray, fit: np.ndarray, *, most: int = 32) -> np.ndarray:
    """Put vectors into the axes along which they differ most (PCA).

    Args:
        values: Vectors, shape ``(M, D)``; may be memory-mapped, and is read in blocks.
        rows: The row of each image, shape ``(N,)``.
        fit: Places in ``rows`` from which the axes are taken; those vectors are held in memory.
        most: Axes kept, ``>= 1``, fewer where ``D`` or the number of vectors is smaller.

    Returns:
        Coordinates ``(N, min(most, D))``, float32.

    Example:
        >>> line = np.array([[0.0, 1.0], [0.0, 3.0], [0.0, 5.0]])
        >>> np.abs(project(line, np.arange(3), np.arange(3), most=1)[:, 0]).tolist()
        [2.0, 0.0, 2.0]
    """
    checks.two_dimensional(values=values)
    checks.at_least(1, most=most)
    known = _block(values, rows[fit])
    centre = known.mean(axis=0)
    known -= centre
    width = values.shape[1]
    axes = np.eye(width, dtype=np.float32)
    if width > most + _SPARE:
        axes = np.random.default_rng(0).standard_normal((width, most + _SPARE), np.float32)
        for _ in range(_POWERS):
            axes = np.linalg.qr(known.T @ (known @ axes))[0]
    inner = known @ axes
    axes = axes @ np.linalg.eigh(inner.T @ inner)[1][:, ::-1][:, :most]
    found = np.empty((len(rows), axes.shape[1]), np.float32)
    for start in range(0, len(rows), _BLOCK):
        found[start : start + _BLOCK] = (_block(values, rows[start : start + _BLOCK]) - centre) @ axes
    return found


def _block(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.asarray(values[rows], np.float32)


def k_means(points: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Find centres such that points are near to one.

    Args:
        points: Shape ``(N, D)``, float32.
        count: Centres, from 1 to ``N``.
        seed: Of the starting points.

    Returns:
        Centres ``(count, D)``, float32.

    Raises:
        ValueError: If there are fewer points than centres.

    Example:
        >>> points = np.array([[0.0], [0.2], [9.8], [10.0]], np.float32)
        >>> [f"{place:.1f}" for place in sorted(k_means(points, 2)[:, 0])]
        ['0.1', '9.9']
    """
    checks.two_dimensional(points=points)
    checks.in_range(1, len(points), count=count)
    centres = _start(points, count, np.random.default_rng(seed))
    before = np.full(len(points), -1)
    for _ in range(_ROUNDS):
        of = nearest_centre(points, centres)
        if (of == before).all():
            break
        before = of
        sizes = np.bincount(of, minlength=count)
        sums = np.stack([np.bincount(of, column, minlength=count) for column in points.T], axis=1)
        used = sizes > 0  # a centre that lost its points stays
        centres[used] = sums[used] / sizes[used, None]
    return centres


def _start(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw points, each with a chance by its squared distance to those drawn before."""
    centres = np.empty((count, points.shape[1]), np.float32)
    far = np.ones(len(points))
    for k in range(count):
        sums = np.cumsum(far)
        place = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
        centres[k] = points[min(place, len(points) - 1)]
        gap = np.square(points - centres[k]).sum(axis=1, dtype=np.float64)
        far = gap if k == 0 else np.minimum(far, gap)
    return centres


def nearest_centre(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the number of the centre next to each point, ``(N,)`` int64.

    >>> nearest_centre(np.array([[1.0, 0.0], [4.0, 1.0]]), np.array([[5.0, 0.0], [0.0, 0.0]])).tolist()
    [1, 0]
    """
    half = (centres**2).sum(axis=1) / 2
    parts = [points[start : start + _BLOCK] for start in range(0, len(points), _BLOCK)]
    return np.concatenate([(half - part @ centres.T).argmin(axis=1) for part in parts])
