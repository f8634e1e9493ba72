"""Which class is taken for which by an old and a new model: counts, precision, recall and F1 of both, side by side."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from modelheir.analysis.pairing import Pair
from modelheir.analysis.record import Record
from modelheir.metrics.confusion import Cells, class_scores, confused_with, confusion

__all__ = ["Answers", "Confusion", "answers", "confusions"]


@dataclasses.dataclass(frozen=True, eq=False)
class Answers(Record):
    """How both models tell one class; fractions, higher is better; ``None`` where not defined."""

    precision_old: float | None  #: right among the images said to be it; ``None`` where there are none
    precision_new: float | None
    recall_old: float | None  #: right among the images that are it, its accuracy
    recall_new: float | None
    f1_old: float | None  #: harmonic mean of the two
    f1_new: float | None
    confused_with_old: str | None  #: the class that it is most often taken for; ``None`` where it never is
    confused_with_new: str | None
    confused_n_old: int  #: images so mistaken
    confused_n_new: int


@dataclasses.dataclass(frozen=True, eq=False)
class Confusion(Record):
    """Images by label and prediction; the ``K`` pairs that occur, by label and then by prediction."""

    names: tuple[str, ...]  #: of all ``C`` classes
    label: np.ndarray  #: ``(K,)`` places in ``names``
    prediction: np.ndarray  #: ``(K,)`` places in ``names``
    old: np.ndarray  #: ``(K,)`` images of the old model
    new: np.ndarray  #: ``(K,)`` images of the new one

    def to_json(self) -> dict[str, Any]:
        """Return four columns of one table: ``label`` and ``prediction`` in words, and the counts."""
        words = {side: [self.names[k] for k in getattr(self, side).tolist()] for side in ("label", "prediction")}
        return {**words, "old": self.old.tolist(), "new": self.new.tolist()}

    @property
    def occurring(self) -> tuple[str, ...]:
        """The classes that some image is or is said to be."""
        return tuple(self.names[k] for k in self._places().tolist())

    def table(self, side: str) -> np.ndarray:
        """Return the counts of ``old`` or ``new`` by label and prediction of the classes that occur, for a few."""
        places = self._places()
        found = np.zeros((len(places), len(places)), np.int64)
        label, prediction = (np.searchsorted(places, of) for of in (self.label, self.prediction))
        found[label, prediction] = getattr(self, side)
        return found

    def _places(self) -> np.ndarray:
        return np.union1d(self.label, self.prediction)

    def mistakes(self, most: int) -> list[tuple[str, str, int, int]]:
        """Return the most frequent mistakes as label, prediction, images old and new; by the larger count of the two.

        Args:
            most: How many, ``>= 1``.
        """
        wrong = np.flatnonzero(self.label != self.prediction)
        larger = np.maximum(self.old, self.new)[wrong]
        order = wrong[np.lexsort((-self.new[wrong], -larger))][:most].tolist()
        pick = [of[order].tolist() for of in (self.label, self.prediction, self.old, self.new)]
        return [(self.names[y], self.names[k], a, b) for y, k, a, b in zip(*pick, strict=True)]


def confusions(pair: Pair) -> Confusion:
    """Count the images of each label and prediction, for both models of a pair."""
    label = pair.place(pair.label)
    sides = [confusion(label, pair.place(side.prediction), classes=pair.count) for side in (pair.old, pair.new)]
    keys = [cells.label * pair.count + cells.prediction for cells in sides]
    every = np.sort(np.concatenate(keys), kind="stable")  # of two runs in order: a merge
    every = every[np.diff(every, prepend=-1) > 0]
    counts = np.zeros((2, len(every)), np.int64)
    for row, key, cells in zip(counts, keys, sides, strict=True):
        row[np.searchsorted(every, key)] = cells.n
    names = tuple(pair.class_name(number) for number in pair.numbers.tolist())
    return Confusion(names, *np.divmod(every, pair.count), *counts)


def answers(found: Confusion, classes: np.ndarray) -> list[Answers]:
    """Return how both models tell some classes, in the order given.

    Args:
        found: The counts.
        classes: Places of the classes in ``found.names``.
    """
    columns: dict[str, list[Any]] = {}
    for side in ("old", "new"):
        n = getattr(found, side)
        at = n > 0
        cells = Cells(found.label[at], found.prediction[at], n[at])
        for name, values in class_scores(cells, classes=len(found.names))._asdict().items():
            columns[f"{name}_{side}"] = [None if value != value else value for value in values[classes].tolist()]
        other, count = confused_with(cells, classes=len(found.names))
        columns[f"confused_with_{side}"] = [None if k < 0 else found.names[k] for k in other[classes].tolist()]
        columns[f"confused_n_{side}"] = count[classes].tolist()
    return [Answers(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
