r"""How many labels a class keeps, by the rules that Meta Co-Training was published with.

With ``N_c`` images of class ``c``, the share ``q`` and the running sum ``S``:

.. math:: S_c = \sum_{j \le c} a_j, \qquad
          cascade(a)_c = \lceil a_c \rceil \text{ if } S_c - \lfloor S_c \rfloor > 1/2 \text{ else } \lfloor a_c \rfloor

Stratified: ``cascade(q N_c)``. Balanced: ``t_c = max(min(q N / C - 1, N_c), 1)`` is raised by ``1 / C`` at a time until
``min(cascade(t), N_c)`` adds up to ``q N``. Rothenberger and Diochnos, 2023, arXiv:2311.18083, as their code has it.
These rules have faults: cascade rounding does not keep the total (halves alone become nothing), so the balanced rule
can overshoot; a class may end without a label; a smaller share need not lie in a larger one. The rules of
:mod:`~modelheir.data.quotas` have none of these.
"""

from __future__ import annotations

import numpy as np

from modelheir import checks

__all__ = ["cascade_balanced", "cascade_round", "cascade_stratified"]


def cascade_round(values: np.ndarray) -> np.ndarray:
    """Round one value after another, up where the sum so far has more than a half left over, else down.

    Args:
        values: ``(C,)``, each ``>= 0``.

    Returns:
        Int64 ``(C,)``.

    Raises:
        ValueError: If a value is below 0 or not a number.

    Example:
        >>> cascade_round(np.array([0.5, 0.5, 0.7, 1.2])).tolist(), cascade_round(np.full(4, 0.5)).tolist()
        ([0, 0, 1, 2], [0, 0, 0, 0])
    """
    values = np.asarray(values, np.float64)
    if not (values >= 0).all():
        raise ValueError("values to round must be numbers >= 0")
    total = np.cumsum(values)
    up = total - np.floor(total) > 0.5
    return np.where(up, np.ceil(values), np.floor(values)).astype(np.int64)


def cascade_stratified(counts: np.ndarray, share: float) -> np.ndarray:
    """Return how many of each class are kept, in proportion, int64 ``(C,)``.

    Args:
        counts: Images of each class, ``(C,)``.
        share: Of all, 0 to 1.

    Example:
        >>> cascade_stratified(np.array([20, 30, 50]), 0.1).tolist()
        [2, 3, 5]
    """
    checks.in_range(0, 1, share=share)
    return cascade_round(share * np.asarray(counts))


def cascade_balanced(counts: np.ndarray, share: float) -> np.ndarray:
    """Return how many of each class are kept, alike where there are enough, int64 ``(C,)``; at least the share of all.

    Args:
        counts: Images of each class, ``(C,)``.
        share: Of all, 0 to 1.

    Example:
        >>> cascade_balanced(np.array([2, 30, 68]), 0.1).tolist()
        [2, 4, 4]
    """
    checks.in_range(0, 1, share=share)
    counts = np.asarray(counts, np.int64)
    wanted = share * int(counts.sum())
    target = np.maximum(np.minimum(wanted / max(len(counts), 1) - 1, counts), 1.0)
    kept = np.minimum(cascade_round(target), counts)
    while kept.sum() < wanted:
        target = np.minimum(target + 1 / len(counts), counts)
        kept = np.minimum(cascade_round(target), counts)
    return kept
