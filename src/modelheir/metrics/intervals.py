r"""Confidence intervals: Wilson's for one proportion, Newcombe's for a paired difference, the bootstrap for ratios.

Wilson, with ``p = count / total`` and the normal quantile ``z``:

.. math:: \frac{p + z^2/2n \pm z \sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}

Wilson, 1927; Newcombe, "Improved confidence intervals for the difference between binomial proportions based on paired
data", 1998, method 10; the bootstrap is Efron's percentile interval. Resampling images with replacement is the same as
drawing the five outcome counts from a multinomial, so a resample costs five numbers whatever ``N`` is.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from modelheir import checks

__all__ = [
    "mean_interval",
    "minimal_detectable_nfr",
    "normal_quantile",
    "paired_bootstrap",
    "paired_difference",
    "wilson",
]


def normal_quantile(confidence: float) -> float:
    """Return ``z`` such that a normal value lies within ``+-z`` with probability ``confidence``.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence!r}")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(count: Any, total: Any, *, confidence: float = 0.95) -> tuple[Any, Any]:
    """Return Wilson's score interval of a proportion.

    Args:
        count: Hits, an integer or an array of them.
        total: Trials, same shape; where it is 0 the interval is all of 0 to 1.
        confidence: Two-sided coverage, between 0 and 1.

    Returns:
        Low and high end, fractions from 0 to 1, floats or arrays.

    Raises:
        ValueError: If a count is negative or above its total, or ``confidence`` is out of range.

    Example:
        >>> low, high = wilson(2, 10)
        >>> round(low, 4), round(high, 4)
        (0.0567, 0.5098)
    """
    hits, trials = np.asarray(count, np.float64), np.asarray(total, np.float64)
    if (hits < 0).any() or (hits > trials).any():
        raise ValueError("count must lie from 0 to total")
    z = normal_quantile(confidence)
    n = np.maximum(trials, 1)
    p = hits / n
    middle, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = np.where((trials > 0) & (hits > 0), (middle - spread) / (1 + z * z / n), 0.0)
    high = np.where((trials > 0) & (hits < trials), (middle + spread) / (1 + z * z / n), 1.0)
    return (float(low), float(high)) if low.ndim == 0 else (low, high)


def paired_difference(counts: np.ndarray, *, confidence: float = 0.95) -> tuple[Any, Any]:
    """Return Newcombe's interval (method 10) of the new model's accuracy minus the old one's.

    Args:
        counts: Outcome counts, shape ``(..., 5)``, each row with at least one image.
        confidence: Two-sided coverage, between 0 and 1.

    Returns:
        Low and high end, -1 to 1, floats or arrays of shape ``(...)``.

    Example:
        >>> low, high = paired_difference(np.array([36, 2, 12, 0, 0]))
        >>> round(low, 4), round(high, 4)
        (0.0569, 0.3404)
    """
    counts = np.asarray(counts, np.float64)
    n = counts.sum(axis=-1)
    both, lost, won = counts[..., 0], counts[..., 1], counts[..., 2]
    neither = counts[..., 3] + counts[..., 4]
    old, new = (both + lost) / n, (both + won) / n
    old_low, old_high = wilson(both + lost, n, confidence=confidence)
    new_low, new_high = wilson(both + won, n, confidence=confidence)
    product = both * neither - lost * won
    product = np.where(product > 0, np.maximum(product - n / 2, 0), product)
    scale = np.sqrt((both + lost) * (won + neither) * (both + won) * (lost + neither))
    correlation = np.divide(product, scale, out=np.zeros(np.shape(scale)), where=scale > 0)
    gain = new - old

    def reach(a: Any, b: Any) -> Any:
        return np.sqrt(np.maximum(a * a - 2 * correlation * a * b + b * b, 0))

    low, high = gain - reach(new - new_low, old_high - old), gain + reach(new_high - new, old - old_low)
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)


def paired_bootstrap(
    counts: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of any statistic of the outcome counts, images resampled in pairs.

    Args:
        counts: Outcome counts of all images, shape ``(5,)``.
        statistic: Takes counts ``(resamples, 5)``, returns values ``(resamples,)``.
        confidence: Two-sided coverage, between 0 and 1.
        resamples: Draws, ``>= 1``.
        seed: Of the draws; the same seed gives the same interval.

    Returns:
        Low and high end.

    Raises:
        ValueError: If there are no images or a setting is out of range.
    """
    checks.at_least(1, resamples=resamples)
    normal_quantile(confidence)
    counts = np.asarray(counts)
    total = int(counts.sum())
    if not total:
        raise ValueError("a bootstrap needs at least one image")
    drawn = np.random.default_rng(seed).multinomial(total, counts / total, size=resamples)
    low, high = np.quantile(statistic(drawn), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def mean_interval(
    values: np.ndarray, *, confidence: float = 0.95, within: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """Return the normal interval of a mean, for values whose spread is measured (graded flips), shape ``(N,)``.

    No end lies outside ``within``, the range that the mean can have: 0 to 1 for a rate.

    >>> low, high = mean_interval(np.array([0.0, 1.0] * 50))
    >>> round(low, 3), round(high, 3)
    (0.402, 0.598)
    """
    values = np.asarray(values, np.float64)
    if not len(values):
        raise ValueError("a mean needs at least one value")
    reach = normal_quantile(confidence) * float(values.std(ddof=1 if len(values) > 1 else 0)) / len(values) ** 0.5
    mean = float(values.mean())
    return max(mean - reach, within[0]), min(mean + reach, within[1])


def minimal_detectable_nfr(n: int, *, nfr: float, confidence: float = 0.95, power: float = 0.5) -> float:
    """Return the smallest change of NFR that ``n`` images can tell from none.

    Args:
        n: Images, ``>= 1``.
        nfr: NFR around which the change is, 0 to 1.
        confidence: Two-sided, between 0 and 1.
        power: Chance of seeing a change that is there; 0.5 gives the half-width of the interval.

    Returns:
        A fraction, lower is better.

    Example:
        >>> round(minimal_detectable_nfr(50_000, nfr=0.0235), 4)
        0.0013
    """
    checks.at_least(1, n=n)
    checks.in_range(0, 1, nfr=nfr)
    if not 0.5 <= power < 1:
        raise ValueError(f"power must be at least 0.5 and below 1, got {power!r}")
    return (normal_quantile(confidence) + NormalDist().inv_cdf(power)) * (nfr * (1 - nfr) / n) ** 0.5
