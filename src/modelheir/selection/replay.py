"""Which few images of a long history are kept to be trained on again.

``Reservoir`` keeps a uniform sample of a stream whose length is not known: Vitter, "Random Sampling with a Reservoir",
1985, algorithm R. :func:`balanced_rows` keeps as many of each class as there are, as evenly as it goes.
:func:`herded_rows` chooses within a class, one after another, the image that brings the mean of the chosen features
nearest to the mean of all: Rebuffi et al., "iCaRL", 2017, arXiv:1611.07725, algorithm 4. Ours differs: features are
taken as given, not scaled to length 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from modelheir import checks

__all__ = ["Reservoir", "balanced_rows", "class_quotas", "herded_rows"]


class Reservoir:
    """A uniform sample, without repeats, of everything that went by.

    Example:
        >>> kept = Reservoir(2, np.random.default_rng(0))
        >>> kept.add(["a"])
        >>> kept.add(["b"])
        >>> kept.items
        ['a', 'b']
    """

    def __init__(self, size: int, generator: np.random.Generator) -> None:
        """Start empty.

        Args:
            size: How many are kept, at least 1.
            generator: Of the draws, one for each item once the sample is full.

        Raises:
            ValueError: If ``size`` is below 1.
        """
        checks.at_least(1, size=size)
        self.size, self.generator = size, generator
        self.items: list[object] = []  #: what is kept, such as sample ids
        self.seen = 0

    def add(self, items: Iterable[object]) -> None:
        """Let items go by, in their order."""
        for item in items:
            self.seen += 1
            if len(self.items) < self.size:
                self.items.append(item)
                continue
            place = int(self.generator.integers(self.seen))
            if place < self.size:
                self.items[place] = item


def class_quotas(label: np.ndarray, size: int) -> dict[int, int]:
    """Share a number of places out over classes, evenly, and none more than a class has images.

    Args:
        label: Integers ``(N,)``.
        size: Places, ``>= 0``.

    Returns:
        Class -> places, in rising order; together ``min(size, N)``. What is left over goes to the first classes.

    Example:
        >>> class_quotas(np.array([0, 0, 0, 0, 1, 2, 2, 2]), 6)
        {0: 3, 1: 1, 2: 2}
    """
    checks.at_least(0, size=size)
    classes, counts = np.unique(np.asarray(label), return_counts=True)
    quotas = np.zeros(len(classes), np.int64)
    left = min(size, int(counts.sum()))
    while left:
        free = np.flatnonzero(quotas < counts)
        share = max(left // len(free), 1)
        for at in free[:left]:
            given = min(share, int(counts[at] - quotas[at]))
            quotas[at] += given
            left -= given
    return {int(one): int(quota) for one, quota in zip(classes, quotas, strict=True)}


def balanced_rows(label: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Draw rows at random, as many of each class as :func:`class_quotas` says.

    Args:
        label: Integers ``(N,)``.
        size: How many are kept, ``>= 0``.
        generator: Of the draws.

    Returns:
        Rows in rising order, int ``(min(size, N),)``, each once.

    Example:
        >>> balanced_rows(np.array([0, 1, 0]), 3, np.random.default_rng(0)).tolist()
        [0, 1, 2]
    """
    label = np.asarray(label)
    drawn = [generator.permutation(np.flatnonzero(label == c))[:n] for c, n in class_quotas(label, size).items()]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *drawn]))


def herded_rows(features: np.ndarray, label: np.ndarray, size: int) -> np.ndarray:
    """Choose rows whose features keep the means of their classes, as many of each as :func:`class_quotas` says.

    Args:
        features: ``(N, D)``.
        label: Integers ``(N,)``.
        size: How many are kept, ``>= 0``.

    Returns:
        Rows, int ``(min(size, N),)``, each once; class by class, the most telling first, so that a smaller set of a
        class is the beginning of a larger one. Of equally good ones the first.

    Raises:
        ValueError: If shapes do not fit.

    Example:
        >>> herded_rows(np.array([[0.0], [4.0], [2.5], [1.0]]), np.zeros(4, int), 2).tolist()
        [2, 3]
    """
    features, label = np.asarray(features, np.float64), np.asarray(label)
    checks.two_dimensional(features=features)
    checks.same_length(features=features, label=label)
    chosen: list[int] = []
    for number, quota in class_quotas(label, size).items():
        rows = np.flatnonzero(label == number)
        mean, total = features[rows].mean(axis=0), np.zeros(features.shape[1])
        for count in range(1, quota + 1):
            best = int(np.linalg.norm(mean - (total + features[rows]) / count, axis=1).argmin())
            chosen.append(int(rows[best]))
            total += features[rows[best]]
            rows = np.delete(rows, best)
    return np.array(chosen, np.int64)
