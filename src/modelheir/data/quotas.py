r"""Places shared out over classes: in proportion or evenly, together as many as asked for, and none lost as they grow.

In proportion, class ``c`` with ``N_c`` of ``N`` images gets ``floor`` or ``ceil`` of ``n N_c / N`` of ``n`` places. The
largest remainders alone would do that too, but there a class can lose a place where the total grows, and 1 % would not
lie in 10 %. So places are given one after another such that *every* beginning keeps to it: Tijdeman, "The chairman
assignment problem", 1980, solved by taking the earliest deadline first (Steiner and Yeomans, 1993).
"""

from __future__ import annotations

import heapq

import numpy as np

from modelheir import checks

__all__ = ["balanced_quotas", "stratified_quotas"]


def stratified_quotas(counts: np.ndarray, total: int) -> np.ndarray:
    """Share out places in proportion, each class ``floor`` or ``ceil`` of its part; none loses one as the total grows.

    Args:
        counts: Images of each class, ``(C,)``, each ``>= 1``.
        total: Places, 0 to the sum of ``counts``.

    Returns:
        Int64 ``(C,)``, together ``total``.

    Example:
        >>> stratified_quotas(np.array([50, 30, 20]), 5).tolist()
        [3, 1, 1]
    """
    sizes = [int(count) for count in counts]
    checks.in_range(0, sum(sizes), total=total)
    checks.at_least(1, counts=min(sizes, default=1))
    given, whole = [0] * len(sizes), sum(sizes)
    ready: list[tuple[int, int]] = []  # (deadline, class) of each class that may get its next place now
    later = [(1, place) for place in range(len(sizes))]  # (first step at which it may, class)
    for step in range(1, total + 1):
        while later and later[0][0] <= step:
            place = heapq.heappop(later)[1]
            heapq.heappush(ready, (-(-(given[place] + 1) * whole // sizes[place]), place))
        place = heapq.heappop(ready)[1]
        given[place] += 1
        heapq.heappush(later, (given[place] * whole // sizes[place] + 1, place))
    return np.array(given, np.int64)


def balanced_quotas(counts: np.ndarray, total: int) -> np.ndarray:
    """Share out places evenly, to no class more than it has images; what is left over goes to the first classes.

    Args:
        counts: Images of each class, ``(C,)``.
        total: Places, 0 to the sum of ``counts``.

    Returns:
        Int64 ``(C,)``, together ``total``; none loses a place as the total grows.

    Example:
        >>> balanced_quotas(np.array([4, 1, 3]), 6).tolist()
        [3, 1, 2]
    """
    counts = np.asarray(counts, np.int64)
    checks.in_range(0, int(counts.sum()), total=total)
    at_least = len(counts) - np.cumsum(np.bincount(counts))[:-1]  # classes with 1, 2, ... images or more
    full = int(np.searchsorted(np.cumsum(at_least), total, side="right"))  # rounds that are given whole
    quotas = np.minimum(counts, full)
    quotas[np.flatnonzero(counts > full)[: total - int(quotas.sum())]] += 1
    return quotas
