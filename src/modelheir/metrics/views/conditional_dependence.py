r"""How much two views' predictions tell of each other beyond the true class: co-training asks for nothing.

The mutual information given the class, from counts ``n`` of class ``y`` and predictions ``a`` and ``b``,

.. math:: I(a; b \mid y) = \frac1N \sum_{y,a,b} n_{yab} \log \frac{n_{yab}\, n_y}{n_{ya}\, n_{yb}},

is above 0 by chance alone, the more the more classes there are. What chance makes is found by shuffling the second
view's predictions among the images of each class, which also gives the ``p`` of a permutation test; the share is
``(I - chance) / (min(H(a|y), H(b|y)) - chance)``, as in the adjusted mutual information of Vinh et al., 2010, with the
expectation drawn, not summed. Blum and Mitchell, 1998, ask for views that are independent given the class.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from modelheir import checks

__all__ = ["ConditionalDependence", "conditional_dependence"]


class ConditionalDependence(NamedTuple):
    """The dependence of two views given the class."""

    information: float  #: mutual information given the class, in nats
    chance: float  #: what independent views with the same predictions a class have on average, in nats
    share: (
        float  #: of what could be shared, about 0 for independent views, 1 where one tells the other; NaN: nothing can
    )
    p: float  #: of independence, one-sided


def conditional_dependence(
    first: np.ndarray, second: np.ndarray, label: np.ndarray, *, draws: int = 200, generator: np.random.Generator
) -> ConditionalDependence:
    """Estimate how much two views' predictions depend on each other given the class.

    Args:
        first: Predicted classes of the first view, ``(N,)``.
        second: Those of the second view.
        label: True classes, ``(N,)``.
        draws: Of the permutation test, at least 1; the smallest ``p`` is ``1 / (draws + 1)``.
        generator: Of the draws.

    Raises:
        ValueError: If shapes differ, there are no images, or ``draws`` is below 1.

    Example:
        >>> first, label = np.array([0, 1] * 20), np.zeros(40, int)
        >>> found = conditional_dependence(first, first, label, generator=np.random.default_rng(0))
        >>> round(found.information, 3), round(found.share, 3)
        (0.693, 1.0)
    """
    checks.same_shape(first=np.asarray(first), second=np.asarray(second), label=np.asarray(label))
    checks.at_least(1, draws=draws)
    if not len(label):
        raise ValueError("dependence needs at least one image")
    y, a, b = (np.unique(side, return_inverse=True)[1] for side in (label, first, second))
    order = np.argsort(y, kind="stable")
    y, a, b = y[order], a[order], b[order]
    ya, yb = y * (a.max() + 1) + a, y * (b.max() + 1) + b
    of_y, of_ya, of_yb = (_count_log(code) for code in (y, ya, yb))

    def information(shuffled: np.ndarray) -> float:
        return (_count_log(ya * (b.max() + 1) + shuffled) - of_ya - of_yb + of_y) / len(y)

    found = information(b)
    by_chance = np.array([information(b[np.argsort(y + generator.random(len(y)))]) for _ in range(draws)])
    chance = float(by_chance.mean())
    most = (of_y - max(of_ya, of_yb)) / len(y)  # the smaller entropy given the class
    p = (1 + int((by_chance >= found - 1e-12).sum())) / (1 + draws)
    share = (found - chance) / (most - chance) if most - chance > 1e-12 else float("nan")
    return ConditionalDependence(max(found, 0.0), chance, share, p)


def _count_log(code: np.ndarray) -> float:
    """Return ``sum n log n`` over the counts of equal codes."""
    counts = np.unique(code, return_counts=True)[1]
    return float(counts @ np.log(counts))
