"""Two models on the same images: rows joined by sample id, classes by name, contradictions refused."""

from __future__ import annotations

import dataclasses

import numpy as np

from modelheir.checks import InputError
from modelheir.classes import match_classes
from modelheir.metrics.confidence import softmax
from modelheir.metrics.join import pair_rows, renumber_labels
from modelheir.types import Predictions

__all__ = ["Pair", "Side", "pair_up"]


@dataclasses.dataclass(frozen=True, eq=False)
class Side:
    """One model's part of a pair."""

    predictions: Predictions
    rows: np.ndarray | None  #: ``(N,)`` its row for each image of the pair; ``None``: all rows as they are
    prediction: np.ndarray  #: ``(N,)`` predicted classes, numbered as in the pair
    numbers: np.ndarray | None  #: the pair's number of each of its own classes; ``None``: the same numbers

    def scores(self) -> np.ndarray | None:
        """Return its logits or probabilities, in its own order and numbering."""
        found = self.predictions
        return found.logits if found.logits is not None else found.probabilities

    def confidence(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the probability of the predicted class on some images of the pair; ``None`` without scores.

        Args:
            rows: Numbers of images in the pair's order, shape ``(M,)``.
        """
        scores = self.scores()
        if scores is None:
            return None
        rows = rows if self.rows is None else self.rows[rows]
        probabilities = scores[rows] if self.predictions.logits is None else softmax(scores[rows])
        at = np.asarray(self.predictions.prediction)[rows, None]
        return np.take_along_axis(probabilities, at, axis=1)[:, 0]

    def take(self, values: np.ndarray) -> np.ndarray:
        """Put a column of its file into the pair's order."""
        return values if self.rows is None else values[self.rows]


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """Two models on ``N`` images, labelled ones unless others were asked for too, in the old file's order."""

    sample_id: np.ndarray  #: ``(N,)`` text
    label: np.ndarray  #: ``(N,)`` int64
    old: Side
    new: Side
    classes: tuple[str, ...] | None  #: names by number, where either file knows them
    numbers: np.ndarray  #: ``(C,)`` int64, ascending: 0 to C - 1 where classes are named, else those that occur
    unlabelled: int  #: images left out because they have no label

    @property
    def count(self) -> int:
        """Return the number of classes ``C``."""
        return len(self.numbers)

    def place(self, classes: np.ndarray) -> np.ndarray:
        """Return where class numbers stand in ``numbers``, from 0 to ``C - 1``."""
        return classes if int(self.numbers[-1]) == self.count - 1 else np.searchsorted(self.numbers, classes)

    def class_name(self, number: int) -> str:
        """Return the name of a class, or its number as text."""
        return self.classes[number] if self.classes else str(number)


def pair_up(
    old: Predictions,
    new: Predictions,
    *,
    names: tuple[str, str] = ("the old file", "the new file"),
    unlabelled: bool = False,
) -> Pair:
    """Join two models' predictions.

    Args:
        old: What the old model said.
        new: What the new model said about the same images, in any order. Where both know class names, classes are
            matched by name and either may know classes that the other does not.
        names: What to call the two in errors.
        unlabelled: Keep the images without a label, -1.

    Returns:
        The pair, without unlabelled images unless they are kept.

    Raises:
        InputError: If ids are missing, additional or repeated, labels differ, no class name is shared, or no image is
            labelled. Ids are counted and the first five named.
    """
    classes, numbers = _match_classes(old, new, names)
    rows = pair_rows(old, new, numbers=numbers, names=names)
    label = np.asarray(old.label)  # the old model's classes come first, so its numbers stay
    known = (label >= 0) | unlabelled
    keep = None if known.all() else np.flatnonzero(known)
    if keep is not None and not len(keep):
        raise InputError(f"none of the {len(label):,} images has a label, so nothing can be compared.")
    sides = []
    for found, order, table in ((old, None, None), (new, rows, numbers)):
        if keep is not None:
            order = keep if order is None else order[keep]
        prediction = np.asarray(found.prediction)
        sides.append(
            Side(found, order, renumber_labels(prediction if order is None else prediction[order], table), table)
        )
    label = label if keep is None else label[keep]
    ids = np.asarray(old.sample_id)
    return Pair(
        sample_id=ids if keep is None else ids[keep],
        label=label,
        old=sides[0],
        new=sides[1],
        classes=classes,
        numbers=_numbers(label, sides, classes),
        unlabelled=len(known) - len(label),
    )


def _match_classes(
    old: Predictions, new: Predictions, names: tuple[str, str]
) -> tuple[tuple[str, ...] | None, np.ndarray | None]:
    """Return the classes of both, the old ones first, and the number in it of each of the new model's classes."""
    if not old.classes or not new.classes:  # numbers stand as they are; no list says how many there are
        return tuple(old.classes or new.classes or ()) or None, None
    found = match_classes(old.classes, new.classes, names=names)
    return found.together, None if found.identical else found.numbers_together


def _numbers(label: np.ndarray, sides: list[Side], classes: tuple[str, ...] | None) -> np.ndarray:
    """Return the classes' numbers: all that are named, else all that have a score or occur, however large they are."""
    occur = np.unique(np.concatenate([label, *(side.prediction for side in sides)]))
    occur = occur[occur >= 0]
    if classes:
        if occur[-1] >= len(classes):
            raise InputError(f"class number {occur[-1]} is used but only {len(classes)} classes are named.")
        return np.arange(len(classes))
    width = max((scores.shape[1] for side in sides if (scores := side.scores()) is not None), default=0)
    return np.union1d(np.arange(width), occur)
