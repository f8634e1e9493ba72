r"""Corrections of p-values for asking many questions at once, such as one a class.

Holm, 1979: the ``i``-th smallest of ``m`` becomes ``max_{j <= i} min(1, (m - j + 1) p_(j))``; the chance of any false
alarm stays below the level. Benjamini and Hochberg, 1995: ``min_{j >= i} min(1, m p_(j) / j)``; the expected share of
false alarms among the alarms does.
"""

from __future__ import annotations

import numpy as np

__all__ = ["CORRECTIONS", "benjamini_hochberg", "bonferroni_confidence", "holm"]


def _checked(p: np.ndarray) -> np.ndarray:
    p = np.asarray(p, np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values must be one row of numbers from 0 to 1")
    return p


def holm(p: np.ndarray) -> np.ndarray:
    """Return Holm's corrected p-values, in the order given.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = _checked(p)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return Benjamini and Hochberg's corrected p-values, in the order given.

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    p = _checked(p)
    order = np.argsort(p, kind="stable")[::-1]
    corrected = np.empty_like(p)
    scaled = p[order] * len(p) / np.arange(len(p), 0, -1)
    corrected[order] = np.minimum(1, np.minimum.accumulate(scaled))
    return corrected


def bonferroni_confidence(confidence: float, questions: int) -> float:
    """Return the confidence each of ``questions`` intervals needs so that all hold together with ``confidence``.

    >>> bonferroni_confidence(0.95, 10)
    0.995
    """
    return 1 - (1 - confidence) / max(questions, 1)


CORRECTIONS = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}
