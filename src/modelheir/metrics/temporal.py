r"""How a model fares as time goes on: from accuracies of the model after each step on the test images of each step.

A table ``(S, S)`` holds :math:`R_{t,s}`: row ``t`` the model that was trained up to step ``t``, column ``s`` the test
images of step ``s``; ``nan`` is not measured. Right of the diagonal lies the future: Yao et al., "Wild-Time", 2022,
arXiv:2211.14238, reports the mean and the worst over the steps ahead. Left of it lies the past:

.. math:: \mathrm{BWT} = \frac{1}{S-1} \sum_{s < S-1} R_{S-1,s} - R_{s,s}, \qquad
          F = \frac{1}{S-1} \sum_{s < S-1} \max_{t < S-1} R_{t,s} - R_{S-1,s}

Lopez-Paz and Ranzato, "Gradient Episodic Memory", 2017, arXiv:1706.08840, eq. 3; Chaudhry et al., "Riemannian Walk",
2018, arXiv:1801.10112, eq. 3. Ours differs: steps that were not measured are left out of each mean.

A curve ``(L,)`` is the accuracy by lead time, 0 first. Its area, by trapezoids and divided by its length, is AUT of
Pendlebury et al., "TESSERACT", 2019, arXiv:1807.07838.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modelheir import checks

__all__ = [
    "WorstStep",
    "accuracy_by_lead",
    "backward_transfer",
    "drift_horizon",
    "forgetting",
    "mean_drop_per_step",
    "stability",
    "worst_step",
]


class WorstStep(NamedTuple):
    """The step on which a model does worst."""

    step: int  #: its column, from 0; the first of equal ones
    accuracy: float  #: fraction, higher is better


def accuracy_by_lead(table: np.ndarray) -> np.ndarray:
    """Average accuracy over models, by how many steps lie between the newest images they saw and those of the test.

    Args:
        table: ``(S, S)``, fractions.

    Returns:
        ``(S,)``: lead 0 is the model's own step; ``nan`` where no model was measured at that lead. Fewer models have
        long leads than short ones.

    Raises:
        ValueError: If the table is not square, has no step, or holds what is no fraction.

    Example:
        >>> accuracy_by_lead(np.array([[0.9, 0.7], [0.8, 0.7]])).tolist()
        [0.8, 0.7]
    """
    table = _table(table)
    return np.array([_mean(np.diagonal(table, lead)) for lead in range(len(table))])


def mean_drop_per_step(table: np.ndarray) -> float:
    """Return how much accuracy a model loses from one step to the next, on average over models and steps ahead.

    Args:
        table: ``(S, S)``, fractions.

    Returns:
        A fraction a step, lower is better, below 0 where accuracy rises; ``nan`` where no model was measured on two
        consecutive steps from its own on.

    Example:
        >>> round(mean_drop_per_step(np.array([[0.9, 0.7, 0.6], [0.8, 0.8, 0.7], [0.8, 0.8, 0.8]])), 4)
        0.1333
    """
    table = _table(table)
    drops = table[:, :-1] - table[:, 1:]
    return _mean(drops[np.triu(np.ones(drops.shape, bool))])


def worst_step(row: np.ndarray) -> WorstStep:
    """Return the step on which a model does worst, such as over the steps ahead of it: ``table[t, t:]``.

    Args:
        row: Accuracies ``(S,)``, fractions; ``nan`` is not measured.

    Raises:
        ValueError: If none is measured.

    Example:
        >>> worst_step(np.array([0.9, np.nan, 0.5, 0.6]))
        WorstStep(step=2, accuracy=0.5)
    """
    row = _fractions(row, 1)
    if not len(row) or np.isnan(row).all():
        raise ValueError("worst_step needs at least one measured accuracy")
    step = int(np.nanargmin(row))
    return WorstStep(step, float(row[step]))


def stability(curve: np.ndarray) -> float:
    """Return the area under an accuracy-by-lead curve, over the accuracy at lead 0: what of it time leaves, on average.

    Args:
        curve: As :func:`accuracy_by_lead` returns it, ``(L,)``, without ``nan``, above 0 at lead 0.

    Returns:
        1 where accuracy stays as it is, higher is better, above 1 where it rises; of one lead 1.

    Raises:
        ValueError: If a lead is not measured or lead 0 has accuracy 0.

    Example:
        >>> stability(np.array([0.5, 0.375, 0.25]))
        0.75
    """
    curve = _fractions(curve, 1)
    if not len(curve) or np.isnan(curve).any():
        raise ValueError("stability needs a curve that is measured at every lead")
    checks.above(0, accuracy_at_lead_0=float(curve[0]))
    if len(curve) == 1:
        return 1.0
    return float(((curve[1:] + curve[:-1]) / 2).mean() / curve[0])


def drift_horizon(curve: np.ndarray, *, tolerance: float = 0.05) -> int:
    """Return for how many steps ahead accuracy stays within ``tolerance`` of that at lead 0, without a gap.

    Args:
        curve: As :func:`accuracy_by_lead` returns it, ``(L,)``; a lead that is not measured ends the horizon.
        tolerance: Accuracy that may be lost, a fraction, ``>= 0``.

    Returns:
        0 to ``L - 1``, higher is better. ``L - 1`` means that the end was not seen.

    Raises:
        ValueError: If lead 0 is not measured.

    Example:
        >>> drift_horizon(np.array([0.9, 0.88, 0.85, 0.7, 0.9]))
        2
    """
    curve = _fractions(curve, 1)
    checks.at_least(0, tolerance=tolerance)
    if not len(curve) or np.isnan(curve[0]):
        raise ValueError("drift_horizon needs the accuracy at lead 0")
    lost = ~(curve >= curve[0] - tolerance - 1e-12)  # 0.9 - 0.85 is within 0.05
    return int(lost.argmax()) - 1 if lost.any() else len(curve) - 1


def backward_transfer(table: np.ndarray) -> float:
    """Return how much the last model gains on earlier steps against the models of those steps.

    Args:
        table: ``(S, S)``, fractions.

    Returns:
        A fraction, -1 to 1, higher is better, below 0 where it forgets; ``nan`` where there is nothing to compare.

    Example:
        >>> round(backward_transfer(np.array([[0.9, 0.1], [0.7, 0.8]])), 4)
        -0.2
    """
    table = _table(table)
    return _mean((table[-1] - np.diagonal(table))[:-1])


def forgetting(table: np.ndarray) -> float:
    """Return how far the last model falls on earlier steps below the best model before it.

    Args:
        table: ``(S, S)``, fractions.

    Returns:
        A fraction, -1 to 1, lower is better; ``nan`` where there is nothing to compare.

    Example:
        >>> round(forgetting(np.array([[0.9, 0.1, 0.1], [0.7, 0.8, 0.1], [0.8, 0.6, 0.9]])), 4)
        0.15
    """
    table = _table(table)
    earlier = np.where(np.isnan(table[:-1, :-1]), -np.inf, table[:-1, :-1])
    best = earlier.max(axis=0, initial=-np.inf)
    return _mean(np.where(np.isfinite(best), best, np.nan) - table[-1, :-1])


def _table(table: np.ndarray) -> np.ndarray:
    table = _fractions(table, 2)
    if not len(table) or table.shape[0] != table.shape[1]:
        raise ValueError(f"a table of steps must have shape (S, S) with S >= 1, got {table.shape}")
    return table


def _fractions(values: np.ndarray, ndim: int) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != ndim:
        raise ValueError(f"accuracies must have {ndim} dimensions, got shape {values.shape}")
    if ((values < 0) | (values > 1)).any():
        raise ValueError("accuracies must be fractions from 0 to 1, or nan where not measured")
    return values


def _mean(values: np.ndarray) -> float:
    measured = values[~np.isnan(values)]
    return float(measured.mean()) if len(measured) else float("nan")
