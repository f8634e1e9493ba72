r"""Intervals of what two models on the same images differ by: the accuracy gain and the relative NFR.

The gain, with ``won`` positive and ``lost`` negative flips, is ``(won - lost) / N``. Two intervals are known to cover:
Newcombe's (1998, method 10: Wilson's ends of both accuracies, put together by their correlation) and Tango's score
interval (1998: all gains ``d`` that the score test does not reject). Each has a tail that is wrong a little more often
than it may where the other has not, so :func:`paired_difference` takes the wider of both ends.

The relative NFR is ``r / (A r + 1 - A)``, with ``A`` the old model's accuracy and ``r`` the new model's error rate on
what the old one had right over that on the rest: a ratio of two independent proportions. Its interval is that of a
ratio by variance recovery (Donner and Zou, "Closed-form confidence intervals for functions of the normal mean and
standard deviation", 2012, equation 9) from exact ends, with the uncertainty of ``A`` recovered in the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modelheir.metrics.statistics.intervals import exact, normal_quantile, wilson

__all__ = ["newcombe", "paired_difference", "relative_nfr_interval", "tango"]

_HALVINGS = 60  #: of the range of gains, until a float holds no more
_TINY = 1e-200  #: keeps a spread of nothing from dividing by zero


def paired_difference(counts: np.ndarray, *, confidence: float = 0.95) -> tuple[Any, Any]:
    """Return the interval of the new model's accuracy minus the old one's: the wider of Newcombe's and Tango's ends.

    Args:
        counts: Outcome counts, shape ``(..., 5)``, each row with at least one image.
        confidence: Two-sided coverage, between 0 and 1.

    Returns:
        Low and high end, -1 to 1, floats or arrays of shape ``(...)``.

    Example:
        >>> low, high = paired_difference(np.array([36, 2, 12, 0, 0]))
        >>> round(low, 4), round(high, 4)
        (0.0569, 0.3447)
    """
    (low, high), (low_too, high_too) = (of(counts, confidence=confidence) for of in (newcombe, tango))
    low, high = np.minimum(low, low_too), np.maximum(high, high_too)
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)


def newcombe(counts: np.ndarray, *, confidence: float = 0.95) -> tuple[Any, Any]:
    """Return Newcombe's interval (method 10) of the accuracy gain; arguments as :func:`paired_difference`."""
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


def tango(counts: np.ndarray, *, confidence: float = 0.95) -> tuple[Any, Any]:
    r"""Return Tango's score interval of the accuracy gain; arguments as :func:`paired_difference`.

    With ``q`` the likeliest share of negative flips if the gain were ``d``, the ends solve

    .. math:: \frac{won - lost - n d}{\sqrt{n (2 q + d (1 - d))}} = \pm z

    Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
    1998, equations 8 and 9.
    """
    counts = np.asarray(counts, np.float64)
    n, lost, won = counts.sum(axis=-1), counts[..., 1], counts[..., 2]
    z = normal_quantile(confidence)
    gain = (won - lost) / n

    def score(d: Any) -> Any:
        linear = (2 * n - won + lost) * d - won - lost
        q = (np.sqrt(np.maximum(linear**2 + 8 * n * lost * d * (1 - d), 0)) - linear) / (4 * n)
        return (won - lost - n * d) / np.sqrt(np.maximum(n * (2 * q + d * (1 - d)), _TINY))

    def solve(low: Any, high: Any, target: float) -> Any:
        for _ in range(_HALVINGS):  # the score falls as the gain rises
            middle = (low + high) / 2
            above = score(middle) > target
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return (low + high) / 2

    one = np.ones(np.shape(gain))
    low, high = solve(-one, gain, z), solve(gain, one, -z)
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)


def relative_nfr_interval(counts: np.ndarray, *, confidence: float = 0.95) -> tuple[float, float | None]:
    """Return the interval of the relative NFR.

    Args:
        counts: Outcome counts of all images, shape ``(5,)``, at least one of them.
        confidence: Two-sided coverage, between 0 and 1.

    Returns:
        Low end, ``>= 0``, and high end; ``None`` where the images leave no upper limit.

    Raises:
        ValueError: If there are no images.

    Example:
        >>> low, high = relative_nfr_interval(np.array([890, 20, 50, 30, 10]))
        >>> round(low, 3), round(high, 3)
        (0.241, 0.508)
    """
    right, lost, won, same, other = (float(count) for count in np.asarray(counts))
    kept, rest, stuck = right + lost, won + same + other, same + other
    n = kept + rest
    if n < 1:
        raise ValueError("an interval needs at least one image")
    a, b = lost / max(kept, 1), stuck / max(rest, 1)
    a_low, a_high = exact(lost, kept, confidence=confidence)
    b_low, b_high = exact(stuck, rest, confidence=confidence)
    ratio, low, high = a / b if b else np.inf, _ratio(a, b, a_low, b_high, -1), _ratio(a, b, a_high, b_low, 1)
    if not lost:
        ratio = 0.0
    share = kept / n
    ends = exact(kept, n, confidence=confidence)
    point = _relative(ratio, share)
    gaps = [_relative(ratio, end) - point for end in ends]
    down, up = max(0.0, -min(gaps)), max(0.0, *gaps)
    bottom = max(0.0, point - float(np.hypot(point - _relative(low, share), down)))
    top = point + float(np.hypot(_relative(high, share) - point, up))
    return bottom, top if np.isfinite(top) else None


def _ratio(a: float, b: float, a_end: float, b_end: float, side: int) -> float:
    """Return one end of the interval of ``a / b`` from the ends of both that push it there."""
    if side > 0 and b_end <= 0:  # the denominator may be nothing
        return np.inf
    below, above = b_end * (2 * b - b_end), a_end * (2 * a - a_end)
    if abs(below) < _TINY:
        return above / (2 * a * b) if a * b else 0.0
    return max(0.0, (a * b + side * np.sqrt(max((a * b) ** 2 - above * below, 0))) / below)


def _relative(ratio: float, share: float) -> float:
    """Return the relative NFR for a ratio of error rates and the old model's accuracy."""
    if np.isinf(ratio):
        return 1 / share if share > 0 else np.inf
    below = share * ratio + 1 - share
    return ratio / below if below > 0 else 0.0
