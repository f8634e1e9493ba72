r"""Intervals of a share that stay right however often one looks: a confidence sequence, so that stopping early is fine.

With ``s`` hits in ``n`` and the prior ``Beta(1/2, 1/2)`` of the share, the ratio of prior to posterior at the true
share is a martingale that starts at 1; that it ever reaches ``1/a`` has at most the probability ``a`` (Ville). So

.. math:: C_n = \Bigl\{p : p^s (1 - p)^{n - s} > a\,\frac{B(s + 1/2,\, n - s + 1/2)}{B(1/2, 1/2)}\Bigr\}

holds the true share at all ``n`` at once. Waudby-Smith and Ramdas, "Confidence sequences for sampling without
replacement", 2020, arXiv:2006.04347, section 2 (the ratio of prior to posterior), here for draws with replacement; with
a flat prior it is that of Robbins, "Statistical methods related to the law of the iterated logarithm", 1970. Ours takes
``a = (1 - confidence) / 2`` for both ends together, so that, as with the exact interval, each end alone errs with at
most half of ``1 - confidence``.

It presumes that images come in an order that has nothing to do with the models, and that the earlier ones are kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betaln, xlog1py, xlogy

from modelheir.metrics.statistics.intervals import hits_and_trials, normal_quantile

__all__ = ["sequence", "sequence_of_gain"]

_PRIOR = 0.5  #: both parameters of the beta distribution
_HALVINGS = 60  #: of the range of shares, until a float holds no more


def sequence(count: Any, total: Any, *, confidence: float = 0.95) -> tuple[Any, Any]:
    """Return the interval of a share at one look, which holds at all looks together; wider than the exact one.

    Args:
        count: Hits, a number or an array; whole ones are what the guarantee is for, others lie smoothly between.
        total: Trials so far, same shape; where it is 0 the interval is all of 0 to 1.
        confidence: Two-sided, between 0 and 1: the low end is ever above the truth with at most half of the rest, and
            so is the high end ever below it.

    Returns:
        Low and high end, fractions from 0 to 1, floats or arrays.

    Raises:
        ValueError: If a count is negative or above its total, or ``confidence`` is out of range.

    Example:
        >>> low, high = sequence(2, 10)
        >>> round(low, 4), round(high, 4)
        (0.0066, 0.6897)
    """
    hits, trials = hits_and_trials(count, total)
    normal_quantile(confidence)
    floor = np.log((1 - confidence) / 2) + betaln(hits + _PRIOR, trials - hits + _PRIOR) - betaln(_PRIOR, _PRIOR)
    share = hits / np.maximum(trials, 1)

    def solve(outside: Any) -> Any:
        """Return the share between ``outside``, which is left out, and the likeliest one at which the set begins."""
        out, inside = np.broadcast_to(outside, share.shape).astype(np.float64), share
        for _ in range(_HALVINGS):
            middle = (out + inside) / 2
            within = xlogy(hits, middle) + xlog1py(trials - hits, -middle) > floor
            out, inside = np.where(within, out, middle), np.where(within, middle, inside)
        return out

    low = np.where(hits > 0, solve(0.0), 0.0)
    high = np.where(hits < trials, solve(1.0), 1.0)
    high = np.where(trials > 0, high, 1.0)
    return (float(low), float(high)) if low.ndim == 0 else (low, high)


def sequence_of_gain(counts: np.ndarray, *, confidence: float = 0.95) -> tuple[Any, Any]:
    """Return the interval of the accuracy gain at one look, which holds at all looks together.

    It is the share of positive flips less that of negative ones, each by :func:`sequence` with half of the errors
    allowed: conservative, as what both share is left unused.

    Args:
        counts: Outcome counts so far, shape ``(..., 5)``.
        confidence: As in :func:`sequence`.

    Returns:
        Low and high end, -1 to 1, floats or arrays of shape ``(...)``.

    Example:
        >>> low, high = sequence_of_gain(np.array([360, 20, 120, 0, 0]))
        >>> round(low, 4), round(high, 4)
        (0.0866, 0.3054)
    """
    counts = np.asarray(counts, np.float64)
    n, each = counts.sum(axis=-1), (1 + confidence) / 2
    (lost_low, lost_high), (won_low, won_high) = (sequence(counts[..., k], n, confidence=each) for k in (1, 2))
    return won_low - lost_high, won_high - lost_low
