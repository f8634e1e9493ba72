"""Flip metrics over a stream: add batches as they come, merge processes, read the value at the end.

The state is five integers (:mod:`modelheir.metrics.outcomes`), so any split into batches and any number of processes
gives exactly the value of one shot. To merge over processes add the ``counts`` up, by :meth:`merge` or by an
all-reduce.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from modelheir.metrics.flips import FRACTIONS, rates
from modelheir.metrics.outcomes import count_outcomes, outcomes

__all__ = [
    "Accuracy",
    "FlipCounter",
    "NegativeFlipImpact",
    "NegativeFlipRate",
    "PositiveFlipImpact",
    "PositiveFlipRate",
]


class FlipCounter:
    """Counts of the five outcomes of a stream, and all rates from them.

    Example:
        >>> metric = FlipCounter()
        >>> metric.update([0, 1], [0, 0], [0, 1])
        >>> metric.counts.tolist(), float(metric.rates()["nfr"])
        ([1, 1, 0, 0, 0], 0.5)
    """

    def __init__(self) -> None:
        self.counts = np.zeros(5, np.int64)

    def update(self, old: np.ndarray, new: np.ndarray, label: np.ndarray) -> None:
        """Add a batch: predictions of both models and labels, each ``(N,)``; unlabelled images (-1) do not count."""
        codes = outcomes(old, new, label)
        self.counts += count_outcomes(codes[np.asarray(label) >= 0])[0]

    def merge(self, other: Self) -> Self:
        """Add what ``other`` has counted, and return self."""
        self.counts += other.counts
        return self

    def reset(self) -> None:
        """Forget everything."""
        self.counts[:] = 0

    def rates(self) -> dict[str, np.ndarray]:
        """Return every rate by name; NaN before the first image."""
        return rates(self.counts)


class _One(FlipCounter):
    """One rate of the counter."""

    name: ClassVar[str]

    def compute(self) -> float:
        """Return the value over all images so far, a fraction from 0 to 1; NaN before the first image."""
        return float(FRACTIONS[self.name].value(self.counts))


class NegativeFlipRate(_One):
    """Share of all images that the old model has right and the new one wrong; lower is better."""

    name = "nfr"


class NegativeFlipImpact(_One):
    """Negative flips over the new model's errors; lower is better, 0 where it makes none."""

    name = "nfi"


class PositiveFlipRate(_One):
    """Share of all images that the old model has wrong and the new one right; higher is better."""

    name = "pfr"


class PositiveFlipImpact(_One):
    """Positive flips over the new model's right answers; 0 where it has none."""

    name = "pfi"


class Accuracy:
    """Share of right predictions of one model over a stream; higher is better.

    Example:
        >>> metric = Accuracy()
        >>> metric.update([0, 1], [0, 0])
        >>> metric.merge(metric).compute()
        0.5
    """

    def __init__(self) -> None:
        self.counts = np.zeros(2, np.int64)  #: right, all

    def update(self, prediction: np.ndarray, label: np.ndarray) -> None:
        """Add a batch: predictions and labels, each ``(N,)``; unlabelled images (-1) do not count."""
        prediction, label = np.asarray(prediction), np.asarray(label)
        known = label >= 0
        self.counts += (int((prediction == label)[known].sum()), int(known.sum()))

    def merge(self, other: Accuracy) -> Accuracy:
        """Add what ``other`` has counted, and return self."""
        self.counts += other.counts
        return self

    def reset(self) -> None:
        """Forget everything."""
        self.counts[:] = 0

    def compute(self) -> float:
        """Return the value over all images so far; NaN before the first image."""
        right, total = self.counts
        return float(right / total) if total else float("nan")
