"""Pareto fronts: which of many models no other beats on two costs at once, and how much they cover together.

A model is on the front where no other is at most as costly on both axes and less on one. Hypervolume (Zitzler and
Thiele, 1998): the area between the front and a reference point; larger is better.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["hypervolume", "pareto_front"]


def _points(costs: np.ndarray) -> np.ndarray:
    costs = np.asarray(costs, np.float64)
    if costs.ndim != 2 or costs.shape[1] != 2 or not np.isfinite(costs).all():
        raise ValueError(f"costs must be finite, of shape (models, 2), got shape {costs.shape}")
    return costs


def pareto_front(costs: np.ndarray) -> np.ndarray:
    """Tell which models are on the front.

    Args:
        costs: For instance error and NFR of each model, shape ``(models, 2)``, lower is better.

    Returns:
        Booleans, shape ``(models,)``; equal models are on it together.

    Raises:
        ValueError: If the shape is another or a cost is not finite.

    Example:
        >>> pareto_front(np.array([[0.1, 0.03], [0.2, 0.01], [0.2, 0.03]])).tolist()
        [True, True, False]
    """
    costs = _points(costs)
    on_front = np.zeros(len(costs), bool)
    best = np.inf
    order = np.lexsort((costs[:, 1], costs[:, 0]))
    last = None
    for row in order:
        here = (costs[row, 0], costs[row, 1])
        on_front[row] = here[1] < best or here == last
        if here[1] < best:
            best, last = here[1], here
    return on_front


def hypervolume(costs: np.ndarray, reference: Sequence[float]) -> float:
    """Return the area that the models' front dominates, up to a reference point.

    Args:
        costs: Shape ``(models, 2)``, lower is better.
        reference: The worst point that counts, such as the plain model's error and NFR, 2 numbers; what is worse on
            either axis adds nothing.

    Returns:
        Area ``>= 0`` in the product of the two units, higher is better.

    Example:
        >>> hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), (3.0, 3.0))
        3.0
    """
    costs = _points(costs)
    worst = np.asarray(reference, np.float64)
    if worst.shape != (2,) or not np.isfinite(worst).all():
        raise ValueError("reference must be two finite numbers")
    inside = costs[(costs < worst).all(axis=1)]
    inside = inside[pareto_front(inside)]
    area, height = 0.0, worst[1]
    for x, y in inside[np.argsort(inside[:, 0])]:
        area += (worst[0] - x) * (height - y)
        height = y
    return float(area)
