r"""Confidence intervals of one rate: the exact one, Wilson's, that of a weighed rate, a mean's, and a product's.

The exact interval (Clopper and Pearson, 1934) is what is shown and what the gate decides by: with ``x`` hits in ``n``
its ends are quantiles of the beta distributions ``(x, n - x + 1)`` and ``(x + 1, n - x)``, and neither end is wrong
more often than it may be. Wilson's (1927), with ``p = x / n`` and the normal quantile ``z``, is narrower, right on
average only, and a part of intervals of differences:

.. math:: \frac{p + z^2/2n \pm z \sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.special import betaincinv, erf, gammaincinv, ndtri

from modelheir import checks

__all__ = [
    "exact",
    "hits_and_trials",
    "mean_interval",
    "minimal_detectable_nfr",
    "normal_quantile",
    "product_interval",
    "weighted_rate",
    "wilson",
]

_ANGLES = 256  #: pairs of confidences that a product is tried at
_HALVINGS = 60  #: of a range, until a float holds no more


def normal_quantile(confidence: Any) -> Any:
    """Return ``z`` such that a normal value lies within ``+-z`` with probability ``confidence``, a float or an array.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    if not np.all((np.asarray(confidence) > 0) & (np.asarray(confidence) < 1)):
        raise ValueError(f"confidence must be between 0 and 1, got {confidence!r}")
    return NormalDist().inv_cdf(0.5 + confidence / 2) if np.ndim(confidence) == 0 else ndtri(0.5 + confidence / 2)


def hits_and_trials(count: Any, total: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both as floats; a :class:`ValueError` where a count is negative or above its total."""
    hits, trials = np.asarray(count, np.float64), np.asarray(total, np.float64)
    if (hits < 0).any() or (hits > trials).any():
        raise ValueError("count must lie from 0 to total")
    return hits, trials


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
    hits, trials = hits_and_trials(count, total)
    z = normal_quantile(confidence)
    n = np.maximum(trials, 1)
    p = hits / n
    middle, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = np.where((trials > 0) & (hits > 0), (middle - spread) / (1 + z * z / n), 0.0)
    high = np.where((trials > 0) & (hits < trials), (middle + spread) / (1 + z * z / n), 1.0)
    return (float(low), float(high)) if low.ndim == 0 else (low, high)


def exact(count: Any, total: Any, *, confidence: float = 0.95) -> tuple[Any, Any]:
    """Return the exact interval of a proportion (Clopper and Pearson): neither end errs more often than it may.

    Args:
        count: Hits, a number or an array; whole ones are what the guarantee is for, others lie smoothly between.
        total: Trials, same shape; where it is 0 the interval is all of 0 to 1.
        confidence: Two-sided coverage, between 0 and 1; each end is wrong with at most half of the rest.

    Returns:
        Low and high end, fractions from 0 to 1, floats or arrays.

    Raises:
        ValueError: If a count is negative or above its total, or ``confidence`` is out of range.

    Example:
        >>> low, high = exact(2, 10)
        >>> round(low, 4), round(high, 4)
        (0.0252, 0.5561)
    """
    hits, trials = hits_and_trials(count, total)
    normal_quantile(confidence)
    tail = (1 - confidence) / 2
    none, all_ = hits <= 0, hits >= trials
    low = np.where(none, 0.0, betaincinv(np.where(none, 1, hits), trials - hits + 1, tail))
    high = np.where(all_, 1.0, betaincinv(hits + 1, np.where(all_, 1, trials - hits), 1 - tail))
    return (float(low), float(high)) if low.ndim == 0 else (low, high)


def product_interval(
    one: Callable[[Any], tuple[Any, Any]], other: Callable[[Any], tuple[Any, Any]], *, confidence: float = 0.95
) -> tuple[float, float]:
    r"""Return the interval of a product of a share and another rate, each estimated from draws of its own.

    With ``u`` and ``v`` the chances of data as far out on one side, both of them independent and no less than uniform,
    and ``z = max(0, normal quantile of 1 - u)``, the true pair lies outside the quarter disc ``z_u^2 + z_v^2 <= r^2``
    with at most

    .. math:: P = 1 - \Phi(r) + e^{-r^2/2} / 4

    (the chi-bar-square of two one-sided tests), which is set to ``(1 - confidence) / 2``. An end is the furthest
    product over the disc, taken over small rectangles that cover it, so never too near. Conservative: at 95 % the
    interval is up to 1.2 times as wide as a normal one of the product.

    Args:
        one: Confidence, an array -> low and high ends of a share, 0 to 1.
        other: Confidence, an array -> low and high ends of a rate of any sign.
        confidence: Two-sided coverage, between 0 and 1.

    Example:
        >>> share, rate = (lambda c: exact(100, 1000, confidence=c)), (lambda c: exact(10, 50, confidence=c))
        >>> low, high = product_interval(share, rate)
        >>> round(low, 4), round(high, 4)
        (0.0083, 0.0386)
    """
    normal_quantile(confidence)
    tail, below, above = (1 - confidence) / 2, 0.0, 40.0
    for _ in range(_HALVINGS):
        radius = (below + above) / 2
        beyond = NormalDist().cdf(-radius) + np.exp(-(radius**2) / 2) / 4
        below, above = (radius, above) if beyond > tail else (below, radius)
    angle = np.linspace(0, np.pi / 2, _ANGLES + 1)
    (low, high), (low_too, high_too) = (
        of(erf(above * z / 2**0.5)) for of, z in ((one, np.sin(angle[1:])), (other, np.cos(angle[:-1])))
    )
    corners = [low * low_too, high * low_too], [low * high_too, high * high_too]
    return float(np.min(corners[0])), float(np.max(corners[1]))


def weighted_rate(weights: np.ndarray, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    r"""Return the interval of a weighed rate ``sum(weights) / total``: rare events, each with a weight from 0 to 1.

    With ``y`` the sum of the weights and ``v`` that of their squares, and a weight of 1 for what was not seen:

    .. math:: \Bigl[\frac{v}{2yN}\,\chi^2_{2y^2/v}(\alpha/2),\;
        \frac{v + 1}{2(y + 1)N}\,\chi^2_{2(y+1)^2/(v+1)}(1 - \alpha/2)\Bigr]

    Fay and Feuer, "Confidence intervals for directly standardized rates", 1997, equations 2 and 3. No event at all
    still leaves an upper end: that of a Poisson count.

    Args:
        weights: Those of the events, shape ``(M,)``, 0 to 1.
        total: Images, events or not, ``>= 1``.
        confidence: Two-sided coverage, between 0 and 1.

    Returns:
        Low and high end, fractions from 0 to 1.

    Raises:
        ValueError: If a weight lies outside 0 to 1, there are more events than images, or none of either.

    Example:
        >>> low, high = weighted_rate(np.array([]), 500)
        >>> low, round(high, 5)
        (0.0, 0.00738)
    """
    weights = np.asarray(weights, np.float64)
    checks.at_least(max(1, len(weights)), total=total)
    if not ((weights >= 0) & (weights <= 1)).all():
        raise ValueError("weights must lie from 0 to 1")
    normal_quantile(confidence)
    tail = (1 - confidence) / 2
    mean, square = float(weights.sum()), float((weights**2).sum())
    low = square / mean * gammaincinv(mean**2 / square, tail) if square > 0 else 0.0
    mean, square = mean + 1, square + 1
    high = square / mean * gammaincinv(mean**2 / square, 1 - tail)
    return float(low) / total, min(float(high) / total, 1.0)


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
