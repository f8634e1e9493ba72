r"""McNemar's exact test: are negative and positive flips equally common?

.. math:: p = \min\bigl(1,\; 2\,P(X \le \min(NF, PF))\bigr), \qquad X \sim Binomial(NF + PF, 1/2)

McNemar, 1947; exact form as in Edwards, 1948. A small ``p`` says that the accuracies differ, in either direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import bdtr

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
        >>> mcnemar(1, 4)
        0.375
    """
    lost, won = np.asarray(negative, np.int64), np.asarray(positive, np.int64)
    if (lost < 0).any() or (won < 0).any():
        raise ValueError("counts of flips must be >= 0")
    p = np.minimum(1.0, 2 * bdtr(np.minimum(lost, won).astype(np.float64), lost + won, 0.5))
    return float(p) if p.ndim == 0 else p
