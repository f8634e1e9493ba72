r"""The direction in which newly wrong images differ from the others, and the images at its end.

A change such as darkness runs through all clusters; along a direction it is one group. With the means of the newly
wrong and of the others and the covariance of all (Fisher, "The use of multiple measurements in taxonomic problems",
1936, with a share of the mean variance added to every axis):

.. math:: w = \Bigl(\Sigma + \tfrac{\rho}{d} \operatorname{tr}(\Sigma)\, I\Bigr)^{-1} (\mu_{wrong} - \mu_{others})
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modelheir import checks

__all__ = ["direction", "tails"]

_RIDGE = 0.1  #: rho


def direction(points: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """Return the direction ``(d,)``; zero where all or none are newly wrong.

    Args:
        points: Coordinates, shape ``(N, d)``.
        flipped: Which are newly wrong, shape ``(N,)`` bool.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> points = np.array([[0.0, 1.0], [0.0, -1.0], [2.0, 1.0], [2.0, -1.0]])
        >>> found = direction(points, np.array([False, False, True, True]))
        >>> bool(found[0] > 0), float(found[1])
        (True, 0.0)
    """
    checks.two_dimensional(points=points)
    checks.same_length(points=points, flipped=flipped)
    if flipped.all() or not flipped.any():
        return np.zeros(points.shape[1])
    spread = np.cov(points.T.astype(np.float64), bias=True).reshape(points.shape[1], -1)
    ridge = _RIDGE * np.trace(spread) / len(spread)
    gap = points[flipped].mean(axis=0, dtype=np.float64) - points[~flipped].mean(axis=0, dtype=np.float64)
    return np.linalg.solve(spread + (ridge or 1.0) * np.eye(len(spread)), gap)


def tails(
    points: np.ndarray, places: np.ndarray, flipped: np.ndarray, shares: Sequence[float]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the images at the end of the direction, and those of them whose own outcome had no part in it.

    The direction follows the flips it was made from, so on the very images it was made from every end looks bad. For
    the choice among groups each half of ``places`` is therefore judged along the direction of the other half.

    Args:
        points: Coordinates of all images, shape ``(N, d)``.
        places: Those with known outcome, shape ``(M,)``.
        flipped: Which of these are newly wrong, shape ``(M,)`` bool.
        shares: How much of ``places`` is an end, each between 0 and 1.

    Returns:
        A pair for each share: ``(N,)`` bool, at the end; and ``(M,)`` bool, at the end of the other half's direction.
    """
    known = points[places]
    score = points @ direction(known, flipped)
    fold = np.arange(len(places)) % 2 == 0
    rank = np.empty(len(places))
    for part in (fold, ~fold):
        along = known[part] @ direction(known[~part], flipped[~part])
        rank[part] = along.argsort(kind="stable").argsort(kind="stable") / max(1, part.sum())
    return [(score > np.quantile(score[places], 1 - share), rank >= 1 - share) for share in shares]
