r"""McNemar's exact test: are negative and positive flips equally common?

.. math:: p = \min\bigl(1,\; 2\,P(X \le \min(NF, PF))\bigr), \qquad X \sim Binomial(NF + PF, 1/2)

McNemar, 1947; exact form as in Edwards, 1948. A small ``p`` says that the accuracies differ, in either direction.

The sum goes down from its largest term, :math:`P(X = k - 1) = P(X = k) \, k / (n - k + 1)`, so that NumPy is enough;
``p`` is right to eight digits for a million flips, and to more for fewer.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["mcnemar"]


def mcnemar(negative: Any, positive: Any) -> Any:
    """Return the exact two-sided p-value.

    Args:
        negative: Number of negative flips, an integer or an array.
        positive: Number of positive flips, same shape.

    Returns:
        ``p`` from 0 to 1, float or array; 1 where nothing flips.

    Raises:
        ValueError: If a count is negative.

    Example:
        >>> round(mcnemar(1, 4), 6)
        0.375
    """
    lost, won = np.asarray(negative, np.int64), np.asarray(positive, np.int64)
    if (lost < 0).any() or (won < 0).any():
        raise ValueError("counts of flips must be >= 0")
    pairs = np.stack([np.minimum(lost, won), lost + won], axis=-1).reshape(-1, 2)
    once, place = np.unique(pairs, axis=0, return_inverse=True)  # classes share few pairs of counts
    tails = np.array([_tail(int(k), int(n)) for k, n in once])
    p = np.minimum(1.0, 2 * tails[place].reshape(lost.shape))
    return float(p) if p.ndim == 0 else p


def _tail(k: int, n: int) -> float:
    """Return the chance of at most ``k`` heads in ``n`` throws of a coin, ``k <= n / 2``."""
    top = math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
    heads = np.arange(k, 0, -1.0)
    return top * float(1 + np.cumprod(heads / (n - heads + 1)).sum())
