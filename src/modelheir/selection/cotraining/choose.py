r"""Which rows of the pool are handed over: the surest, the surest of each class, or those above a probability.

With the class frequencies ``phi`` (adding up to 1) and the ``n_c`` certain rows of class ``c``, ``certain`` hands over

.. math:: k = \min_c \lfloor n_c / \phi_c \rfloor, \qquad u = \sqrt{\frac{(1-p) - \min}{\max - \min}} \le \varepsilon
          \text{ where a row is certain}

rows, ``phi_c k`` of each class, rounded by the largest remainders. This is the later version of co-training as the code
of Rothenberger and Diochnos (arXiv:2311.18083) has it. Ours differs where a class runs out: the published ``k`` is then
0 and its loops over class lists do not end; here a class with no row left is passed over, one that has rows but none
certain gives its surest, and a class that has fewer rows than its part gives what it has.
"""

from __future__ import annotations

import numpy as np

from modelheir import checks
from modelheir.selection.cotraining.opinions import Opinion

__all__ = ["above_threshold", "certain_count", "largest_remainder", "of_each_class", "surest"]


def surest(opinion: Opinion, rows: np.ndarray, limit: int, *, tie: np.ndarray) -> np.ndarray:
    """Return the rows with the highest confidence, the surest first.

    Args:
        opinion: Of all ``N`` rows.
        rows: Those of the pool, ``(M,)``.
        limit: Most rows, ``>= 0``.
        tie: Numbers ``(N,)``; of equally sure rows the one with the lower number comes first.
    """
    checks.at_least(0, limit=limit)
    return rows[np.lexsort((tie[rows], -opinion.confidence[rows]))][:limit]


def above_threshold(opinion: Opinion, rows: np.ndarray, limit: int, *, threshold: float, tie: np.ndarray) -> np.ndarray:
    """Return the rows whose confidence is at least ``threshold``, the surest first; arguments as :func:`surest`."""
    return surest(opinion, rows[opinion.confidence[rows] >= threshold], limit, tie=tie)


def of_each_class(
    opinion: Opinion, rows: np.ndarray, limit: int, *, frequencies: np.ndarray, tie: np.ndarray
) -> np.ndarray:
    """Return the surest rows of each class, in the proportions of the classes.

    Args:
        opinion: Of all ``N`` rows.
        rows: Those of the pool, ``(M,)``.
        limit: Most rows, ``>= 0``.
        tie: As in :func:`surest`.
        frequencies: ``(C,)``, ``>= 0``, in any unit.

    Returns:
        Rows, the surest first; of class ``c`` at most its part of ``limit``, and all where there are fewer.
    """
    quotas = largest_remainder(frequencies, limit)
    order = surest(opinion, rows, len(rows), tie=tie)
    label = opinion.label[order]
    by_class = np.argsort(label, kind="stable")
    start = np.searchsorted(label[by_class], np.arange(len(quotas)))
    place = np.empty(len(order), np.int64)
    place[by_class] = np.arange(len(order)) - start[label[by_class]]
    return order[place < quotas[label]]


def certain_count(opinion: Opinion, rows: np.ndarray, *, frequencies: np.ndarray, uncertainty: float) -> int:
    """Return how many rows can be handed over in the proportions of the classes such that they are certain.

    Args:
        opinion: Of all ``N`` rows.
        rows: Those of the pool, ``(M,)``.
        frequencies: ``(C,)``, ``>= 0``, not all 0; a class with 0 is not asked.
        uncertainty: ``epsilon``, 0 to 1, of the range from the surest row of the pool to the least sure.

    Returns:
        ``k``, 0 to ``M``; 0 only where no row is of a class with a frequency.
    """
    share = _shares(frequencies)
    label, unsure = opinion.label[rows], 1 - opinion.confidence[rows]
    if not len(rows):
        return 0
    spread = float(unsure.max() - unsure.min())
    relative = np.sqrt((unsure - unsure.min()) / (spread or 1.0))
    there = np.bincount(label, minlength=len(share))
    certain = np.bincount(label[relative <= uncertainty], minlength=len(share))
    asked = (there > 0) & (share > 0)
    if not asked.any():
        return 0
    return min(int(np.floor((np.maximum(certain, 1)[asked] / share[asked]).min() + 1e-9)), len(rows))


def largest_remainder(frequencies: np.ndarray, total: int) -> np.ndarray:
    """Share out ``total`` places in proportion to ``frequencies``, int64 ``(C,)``; of equal remainders the first class.

    Raises:
        ValueError: If a frequency is below 0 or not finite, or all are 0.

    Example:
        >>> largest_remainder(np.array([5, 3, 2]), 4).tolist()
        [2, 1, 1]
    """
    part = _shares(frequencies) * total
    places = np.floor(part + 1e-9).astype(np.int64)
    left = total - int(places.sum())
    places[np.argsort(np.round(places - part, 9), kind="stable")[:left]] += 1
    return places


def _shares(frequencies: np.ndarray) -> np.ndarray:
    frequencies = np.asarray(frequencies, np.float64)
    if frequencies.ndim != 1 or not (np.isfinite(frequencies) & (frequencies >= 0)).all() or not frequencies.any():
        raise ValueError(f"frequencies must be numbers >= 0, one a class, not all 0, got {frequencies.tolist()}")
    return frequencies / frequencies.sum()
