r"""Transport of many points: certain bounds of the least work, by scaling a matrix until they are close.

.. math:: P = \mathrm{diag}(u)\, e^{(f \oplus g - C) / \varepsilon}\, \mathrm{diag}(v), \qquad
          P 1 = \tfrac{1}{n},\ P^\top 1 = \tfrac{1}{m}

Cuturi, "Sinkhorn Distances", 2013, arXiv:1306.0895; Schmitzer, "Stabilized Sparse Scaling Algorithms", 2019,
arXiv:1610.06519, algorithm 2, for small ``epsilon``. Upper end: ``P`` rounded to a plan that keeps both sums
(Altschuler, Weed and Rigollet, 2017, arXiv:1705.09634, algorithm 2). Lower end: the dual value of the potentials, each
made as large as the other allows. ``epsilon`` is halved until the ends are close, so the result needs no trust in it.
"""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["transport_bounds"]

_HALVINGS = 30  #: of epsilon at most, from the mean cost
_SWEEPS = 200  #: scalings of both sides at most at one epsilon
_CLOSE = 1e-3  #: share of the mass that may be misplaced before rounding
_LARGEST = 1e30  #: factor above which scalings go into the potentials


def transport_bounds(cost: np.ndarray, *, tolerance: float) -> tuple[float, float]:
    """Bound the least work of moving uniform mass from the rows to the columns.

    Args:
        cost: Of moving a unit of mass, ``>= 0``, shape ``(n, m)``.
        tolerance: How far apart the roots of the ends may be, as a share of the upper one, above 0.

    Returns:
        Lower and upper end; the least work lies between them whatever was reached.

    Example:
        >>> low, high = transport_bounds(np.array([[0.0, 1.0], [1.0, 0.0]]), tolerance=0.01)
        >>> low <= 0.0 <= high < 1e-3
        True
    """
    cost = np.asarray(cost, np.float64)
    checks.two_dimensional(cost=cost)
    checks.above(0, tolerance=tolerance)
    g = np.zeros(cost.shape[1])
    low, high, epsilon = 0.0, float(cost.mean()), float(cost.mean())
    tiny = 1e-12 * epsilon
    for _ in range(_HALVINGS):
        if high <= tiny or np.sqrt(low) >= (1 - tolerance) * np.sqrt(high):
            break
        f, g, plan = _scale(cost, g, epsilon)
        high = min(high, _rounded_work(plan, cost))
        low = max(low, _dual(cost, f))
        epsilon /= 2
    return low, max(high, low)


def _scale(cost: np.ndarray, g: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring both sums of the plan near what they shall be; returns the potentials and the plan."""
    n, m = cost.shape
    f = (cost - g).min(axis=1)  # no exponent is above 0, and each row has one that is 0
    kernel = _kernel(cost, f, g, epsilon)
    u, v = np.ones(n), np.ones(m)
    for _ in range(_SWEEPS):
        u = 1 / (n * np.maximum(kernel @ v, 1e-300))
        reached = kernel.T @ u
        if np.abs(v * reached - 1 / m).sum() < _CLOSE:
            break
        v = 1 / (m * np.maximum(reached, 1e-300))
        if max(u.max(), v.max(), 1 / u.min(), 1 / v.min()) > _LARGEST:
            f, g = f + epsilon * np.log(u), g + epsilon * np.log(v)
            kernel = _kernel(cost, f, g, epsilon)
            u, v = np.ones(n), np.ones(m)
    return f + epsilon * np.log(u), g + epsilon * np.log(v), u[:, None] * kernel * v


def _kernel(cost: np.ndarray, f: np.ndarray, g: np.ndarray, epsilon: float) -> np.ndarray:
    return np.exp(np.minimum((f[:, None] + g - cost) / epsilon, 600.0))


def _rounded_work(plan: np.ndarray, cost: np.ndarray) -> float:
    """Return the work of a plan that keeps both sums, close to ``plan``."""
    n, m = cost.shape
    plan = plan * np.minimum(1 / (n * np.maximum(plan.sum(axis=1), 1e-300)), 1)[:, None]
    plan *= np.minimum(1 / (m * np.maximum(plan.sum(axis=0), 1e-300)), 1)
    rows, columns = np.maximum(1 / n - plan.sum(axis=1), 0), np.maximum(1 / m - plan.sum(axis=0), 0)
    left = rows.sum()
    rest = rows @ cost @ columns / left if left > 0 else 0.0
    return float((plan * cost).sum() + rest)


def _dual(cost: np.ndarray, f: np.ndarray) -> float:
    """Return the dual value of ``f`` and the largest potential of the columns that goes with it."""
    g = (cost - f[:, None]).min(axis=0)
    f = (cost - g).min(axis=1)
    return float(f.mean() + g.mean())
