r"""How far two samples lie apart: the 2-Wasserstein distance, the least work of moving one onto the other.

.. math:: W_2^2(X, Y) = \min_{P \ge 0} \sum_{ij} P_{ij} \lVert x_i - y_j \rVert^2,
          \qquad \sum_j P_{ij} = \tfrac{1}{n},\ \sum_i P_{ij} = \tfrac{1}{m}

Peyre and Cuturi, "Computational Optimal Transport", 2019, arXiv:1803.00567, eq. 2.11 and section 2.2. Three ways to the
minimum: an assignment, where both sizes go into a small common multiple (each point stands there several times); the
linear programme itself, for few points that would stand there often; else
:func:`~modelheir.metrics.geometry.entropic.transport_bounds`, whose ends are certain and close. The result says how far
apart they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from modelheir import checks
from modelheir.metrics.geometry.entropic import transport_bounds

__all__ = ["Distance", "squared_distances", "wasserstein2"]

_COPIES = 4096  #: points a side up to which an assignment is solved where the sizes differ
_PAIRS = 2**14  #: pairs of points up to which the linear programme is solved
_MOST = 2**27  #: pairs of points whose distances fit in memory, 1 GiB


class Distance(NamedTuple):
    """A distance and the ends between which it certainly lies; the two are equal where it is exact."""

    value: float  #: in the unit of the features, ``>= 0``; the middle of the ends
    low: float
    high: float


def wasserstein2(x: np.ndarray, y: np.ndarray, *, tolerance: float = 0.01) -> Distance:
    """Measure the 2-Wasserstein distance between two samples, every point of one weighing the same.

    Args:
        x: One sample, shape ``(n, D)``.
        y: The other, shape ``(m, D)``; the sizes may differ.
        tolerance: How far apart the ends may be as a share of the upper one, above 0; only many points of sizes without
            a small common multiple need it.

    Returns:
        The distance with its ends; exact up to rounding, but for the case above.

    Raises:
        ValueError: If a sample is empty, the widths differ, a value is not finite, or there are too many pairs.

    Example:
        >>> wasserstein2(np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]])).value
        3.0
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    checks.two_dimensional(x=x, y=y)
    checks.at_least(1, points_of_x=len(x), points_of_y=len(y))
    checks.above(0, tolerance=tolerance)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"samples must be of one width: x is {x.shape}, y is {y.shape}")
    if len(x) * len(y) > _MOST:
        raise ValueError(
            f"{len(x):,} and {len(y):,} points make more than {_MOST:,} pairs: draw fewer points from each sample"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("samples must be finite")
    cost = squared_distances(x, y)
    multiple = math.lcm(len(x), len(y))
    if len(x) == len(y) or multiple <= _COPIES or cost.size <= _PAIRS:
        copied = len(x) != len(y) and multiple > min(_COPIES, 4 * max(cost.shape))  # then the programme is faster
        work = _programme(cost) if copied and cost.size <= _PAIRS else _assign(cost, multiple)
        value = math.sqrt(max(work, 0.0))
        return Distance(value, value, value)
    low, high = (math.sqrt(end) for end in transport_bounds(cost, tolerance=tolerance))
    return Distance((low + high) / 2, low, high)


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the squared Euclidean distance of every pair, shape ``(n, m)``."""
    from scipy.spatial.distance import cdist

    return cdist(x, y, "sqeuclidean")


def _assign(cost: np.ndarray, multiple: int) -> float:
    """Solve the problem with so many copies of each point that both sides are as long; a best plan is whole then."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = (np.arange(size).repeat(multiple // size) for size in cost.shape)
    copies = cost[np.ix_(rows, columns)]
    return float(copies[linear_sum_assignment(copies)].mean())


def _programme(cost: np.ndarray) -> float:
    from scipy.optimize import linprog
    from scipy.sparse import eye_array, kron, vstack

    n, m = cost.shape
    sums = vstack([kron(eye_array(n), np.ones((1, m))), kron(np.ones((1, n)), eye_array(m))]).tocsr()
    found = linprog(cost.ravel(), A_eq=sums, b_eq=np.repeat([1 / n, 1 / m], [n, m]), method="highs-ds")
    if found.status:
        raise ValueError(f"the linear programme of {n} and {m} points was not solved: {found.message}")
    return float(found.fun)
