r"""Forecast what a long training gains from small paired ones: a line over the logarithm of their size, held back.

With ``x = log2(n / N)``, the doublings that a small run of size ``n`` lies below the whole of size ``N``, the gain is

.. math:: g(n) = a + b x + w(x), \quad b \sim N(0, \beta^2), \quad w \text{ a Brownian motion of variance } \omega^2

from ``w(0) = 0``, so that ``a`` is the gain of the whole. The mean gains ``y`` of the sizes, with ``K`` seeds each and
the seeds' variance ``s^2``, then have the covariance ``V``, and generalised least squares gives

.. math:: V_{ij} = \beta^2 x_i x_j + \omega^2 \min(|x_i|, |x_j|) + [i = j]\, s^2 / K_i, \quad
    \hat a = \frac{1' V^{-1} y}{1' V^{-1} 1}, \quad \mathrm{Var}(\hat a) = \frac{1}{1' V^{-1} 1}

(Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, section 2.7). A large ``beta`` draws the line
through the sizes on; a small one keeps to the mean, and a large ``omega`` to the last size. The interval is that of one
further pair of runs: it adds the seeds' variance once, and the spread of the selection split's images, which all sizes
share. Seeds are few, so their variance is held to a usual one, and the quantile is Student's with the seeds' degrees of
freedom for all of it: in the test's worlds the interval then covers 95 to 98 times in a hundred, where Satterthwaite's
larger number (1946) let it fall to 93.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from modelheir import checks

__all__ = ["Forecast", "Held", "forecast_gain", "paired_variance"]


@dataclasses.dataclass(frozen=True)
class Held:
    """How far gains are believed to move, in fractions of the images; set by hand on five combinations of digits."""

    slope: float = 0.005  #: usual change of the gain a doubling, ``>= 0``
    wander: float = 0.01  #: usual departure from a line after one doubling, ``>= 0``
    seeds: float = 0.01  #: usual spread of the gain over seeds, ``> 0``
    weight: float = 3.0  #: how many seeds this usual spread counts as, ``> 0``


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What one whole pair of runs is forecast to gain; all fractions of the images."""

    gain: float  #: accuracy with minus without, -1 to 1
    low: float
    high: float
    confidence: float
    spread: dict[str, float]  #: standard deviation that comes from ``seeds``, ``images`` and ``size``

    @property
    def decided(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def forecast_gain(
    sizes: Sequence[float],
    gains: Sequence[float],
    *,
    whole: float,
    image_variance: float = 0.0,
    held: Held | None = None,
    confidence: float = 0.95,
) -> Forecast:
    """Forecast the gain of one pair of whole runs.

    Args:
        sizes: Size of each small pair, in images or steps, above 0; equal ones are seeds of one size.
        gains: Accuracy with minus without of each pair, fractions.
        whole: Size of the whole, at least that of the largest small pair.
        image_variance: Variance of the gain that comes from the selection split's images, ``>= 0``, see
            :func:`paired_variance`.
        held: What is believed of gains; ``None`` takes the usual values.
        confidence: Two-sided coverage, between 0 and 1.

    Returns:
        The forecast with its interval, both cut to -1 to 1.

    Raises:
        ValueError: If there is no pair, the lengths differ, or a size is out of range.

    Example:
        >>> even = Held(slope=0.0, wander=0.0)
        >>> round(forecast_gain([10, 10, 20, 20], [0.01, 0.03, 0.02, 0.02], whole=80, held=even).gain, 4)
        0.02
        >>> line = Held(slope=100.0, wander=0.0)
        >>> round(forecast_gain([10, 20], [0.05, 0.04], whole=80, held=line).gain, 4)
        0.02
    """
    held = Held() if held is None else held
    n, y = np.asarray(sizes, np.float64), np.asarray(gains, np.float64)
    checks.same_length(sizes=n, gains=y)
    if not len(n):
        raise ValueError("a forecast needs at least one pair of runs")
    if n.min() <= 0 or n.max() > whole:
        raise ValueError(f"sizes must lie above 0 and not above the whole {whole}: {n.min():g} to {n.max():g}")
    checks.at_least(0, image_variance=image_variance)
    checks.in_range(0, 1, confidence=confidence)
    levels, place, counts = np.unique(n, return_inverse=True, return_counts=True)
    means = np.bincount(place, y) / counts
    freedom = len(y) - len(levels) + held.weight
    squared = (float(((y - means[place]) ** 2).sum()) + held.weight * held.seeds**2) / freedom
    x = np.log2(levels / whole)
    size = held.slope**2 * np.outer(x, x) + held.wander**2 * np.minimum.outer(-x, -x)
    weights = np.linalg.solve(size + np.diag(squared / counts), np.ones(len(levels)))
    weights /= weights.sum()
    gain = float(weights @ means)
    from_seeds = squared * (1 + float((weights**2 / counts).sum()))
    from_size = float(weights @ size @ weights)
    total = from_seeds + from_size + image_variance
    half = _student(confidence, freedom) * float(np.sqrt(total))
    spread = {"seeds": from_seeds, "images": image_variance, "size": from_size}
    return Forecast(
        gain=gain,
        low=max(gain - half, -1.0),
        high=min(gain + half, 1.0),
        confidence=confidence,
        spread={name: float(np.sqrt(max(variance, 0.0))) for name, variance in spread.items()},
    )


def paired_variance(counts: Any) -> float:
    """Return the variance of an accuracy gain that comes from the images, by its pairs on the same images.

    Args:
        counts: Outcome counts of each pair, shape ``(P, 5)`` as :data:`modelheir.metrics.outcomes.OUTCOMES`, without
            (old) against with (new); every pair has as many images.

    Returns:
        Mean over the pairs of ``(lost + won) / n - ((won - lost) / n)^2``, over ``n``.

    Raises:
        ValueError: If there is no image.

    Example:
        >>> round(paired_variance([[36, 2, 12, 0, 0]]), 6)
        0.0048
    """
    counts = np.asarray(counts, np.float64)
    n = counts.sum(axis=1)
    if not len(n) or n.min() < 1:
        raise ValueError("a variance needs at least one image in every pair")
    lost, won = counts[:, 1] / n, counts[:, 2] / n
    return float(((lost + won - (won - lost) ** 2) / n).mean())


def _student(confidence: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))
