r"""Fisher's exact test, one-sided: does something happen more often inside a group than outside it?

With ``H`` hits among ``N`` images, the hits in a group of ``n`` drawn blindly are hypergeometric:

.. math:: p = P(X \ge h) = \sum_{x \ge h} \binom{H}{x} \binom{N - H}{n - x} \Big/ \binom{N}{n}

Fisher, 1934. It holds at any size, since it takes no normal curve for granted.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from modelheir import checks

__all__ = ["fisher_greater"]


def fisher_greater(hits: np.ndarray, total: np.ndarray, *, all_hits: int, all_total: int) -> np.ndarray:
    """Return the exact one-sided p-values of groups.

    Args:
        hits: Hits in each group, shape ``(G,)``.
        total: Images in each group, shape ``(G,)``.
        all_hits: Hits among all images, those of the groups too.
        all_total: All images.

    Returns:
        ``p`` from 0 to 1, shape ``(G,)``, small where a group has more than its share.

    Raises:
        ValueError: If the shapes differ or a group has more hits than images, or more of either than there are.

    Example:
        >>> fisher_greater(np.array([3, 0]), np.array([4, 4]), all_hits=4, all_total=8).round(4).tolist()
        [0.2429, 1.0]
    """
    hits, total = np.asarray(hits, np.int64), np.asarray(total, np.int64)
    checks.same_shape(hits=hits, total=total)
    misses, all_misses = total - hits, all_total - all_hits
    if (hits < 0).any() or (misses < 0).any() or (hits > all_hits).any() or (misses > all_misses).any():
        raise ValueError("a group has fewer than no hits, or more hits or misses than there are")
    whole = _log_choose(np.array(all_total), total)
    found = np.ones(len(hits))
    for k in np.flatnonzero(hits):
        x = np.arange(hits[k], min(total[k], all_hits) + 1)
        logs = _log_choose(np.array(all_hits), x) + _log_choose(np.array(all_misses), total[k] - x) - whole[k]
        found[k] = min(1.0, float(np.exp(logs).sum()))
    return found


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
