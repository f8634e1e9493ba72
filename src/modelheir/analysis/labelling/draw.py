"""The draw: in what order disagreements are labelled, and which of them to ask for.

The order is that of a hash of the sample ids. It has nothing to do with the images or the models, is the same on every
machine, and a longer draw continues a shorter one; so the first ``n`` disagreements are a simple random sample of all.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import NamedTuple

import numpy as np

from modelheir.analysis.pairing import Pair, pair_up
from modelheir.analysis.record import Record
from modelheir.checks import InputError
from modelheir.metrics.join import name_ids
from modelheir.types import Predictions

__all__ = ["Draw", "Labels", "Question", "Questions", "make_draw", "worth_labelling"]

Labels = tuple[np.ndarray, np.ndarray]  #: ids, text ``(N,)``, and class numbers ``(N,)``, -1 where there is none yet


@dataclasses.dataclass(frozen=True, eq=False)
class Question(Record):
    """One image whose label decides something."""

    sample_id: str
    old: str  #: class the old model predicts
    new: str
    why: str


@dataclasses.dataclass(frozen=True, eq=False)
class Questions(Record):
    """The images to label, in the order of the draw."""

    n: int  #: images
    n_disagreeing: int
    n_labelled: int  #: of the draw, those that have a label already and are not asked for again
    asked: tuple[Question, ...]


class Draw(NamedTuple):
    """All images in the order of the draw, and the disagreements among them."""

    pair: Pair
    label: np.ndarray  #: ``(M,)`` in the pair's order, -1 where there is none
    place: np.ndarray  #: ``(D,)`` where in the order of the draw each disagreement stands
    rows: np.ndarray  #: ``(D,)`` its row in the pair

    @property
    def known(self) -> np.ndarray:
        """Tell of each disagreement whether it has a label, ``(D,)``."""
        return self.label[self.rows] >= 0


def worth_labelling(
    old: Predictions,
    new: Predictions,
    *,
    budget: int,
    labels: Labels | None = None,
    names: tuple[str, str] = ("the old file", "the new file"),
) -> Questions:
    """Choose the images whose labels decide between two models.

    Args:
        old: What the old model said; labels may be missing, -1.
        new: What the new model said about the same images, in any order.
        budget: Disagreements in the draw, ``>= 1``; more than there are asks for all. A larger draw holds a smaller.
        labels: Labels that are there already, beside those in the predictions.
        names: What to call the two in errors.

    Returns:
        The disagreements of the draw that have no label yet.

    Raises:
        InputError: If the budget is below 1, or the predictions or labels contradict each other.

    Example:
        >>> ids, none = np.array(list("abcd")), np.full(4, -1)
        >>> old, new = (Predictions(ids, none, np.array(said)) for said in ([0, 1, 2, 1], [0, 1, 1, 0]))
        >>> sorted(question.sample_id for question in worth_labelling(old, new, budget=9).asked)
        ['c', 'd']
    """
    if budget < 1:
        raise InputError(f"a label budget of {budget:,} asks for nothing: give at least 1.")
    draw = make_draw(old, new, labels, names=names)
    rows, known = draw.rows[:budget], draw.known[:budget]
    pair = draw.pair
    asked = tuple(
        Question(
            sample_id=str(pair.sample_id[row]),
            old=pair.class_name(int(pair.old.prediction[row])),
            new=pair.class_name(int(pair.new.prediction[row])),
            why=f"the models disagree; draw {place + 1} of {len(draw.rows)}",
        )
        for place, row in enumerate(rows)
        if not known[place]
    )
    return Questions(len(draw.label), len(draw.rows), int(known.sum()), asked)


def make_draw(old: Predictions, new: Predictions, labels: Labels | None, *, names: tuple[str, str]) -> Draw:
    """Pair the images, gather what labels there are, and put all into the order of the draw.

    Raises:
        InputError: If the predictions or labels contradict each other, or labels are of other images.
    """
    bare = [dataclasses.replace(one, label=np.full(len(one), -1)) for one in (old, new)]
    pair = pair_up(bare[0], bare[1], names=names, unlabelled=True)
    sources: list[tuple[str, np.ndarray]] = [
        (name, _renumbered(side.take(np.asarray(one.label)), side.numbers))
        for name, one, side in zip(names, (old, new), (pair.old, pair.new), strict=True)
    ]
    if labels is not None:
        sources.append(("the labels", _placed(pair.sample_id, *labels)))
    label = np.full(len(pair.sample_id), -1)
    for name, theirs in sources:
        different = (label >= 0) & (theirs >= 0) & (label != theirs)
        if different.any():
            raise InputError(
                f"{name} contradicts another label of {int(different.sum()):,} images "
                f"({name_ids(pair.sample_id[different][:6])}): each image has one label."
            )
        label = np.where(label >= 0, label, theirs)
    if pair.classes and label.max() >= len(pair.classes):
        raise InputError(f"class number {label.max()} is used but only {len(pair.classes)} classes are named.")
    order = np.argsort([_chance(one) for one in pair.sample_id.tolist()], kind="stable")
    place = np.flatnonzero((pair.old.prediction != pair.new.prediction)[order])
    return Draw(pair, label, place, order[place])


def _chance(sample_id: str) -> int:
    """Return a number that has nothing to do with an image but its id: its place in the draw, on any machine."""
    return int.from_bytes(hashlib.blake2b(sample_id.encode("utf-8", "replace"), digest_size=7).digest(), "big")


def _renumbered(label: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    return label if numbers is None else np.where(label >= 0, numbers[label], -1)


def _placed(ids: np.ndarray, theirs: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Put labels to their images; an id that a spreadsheet was kept from running as a formula is itself again."""
    place = {one: row for row, one in enumerate(ids.tolist())}
    rows = [place.get(one, place.get(one.removeprefix("'"), -1)) for one in theirs.tolist()]
    unknown = theirs[np.array(rows) < 0]
    if len(unknown):
        raise InputError(
            f"{len(unknown):,} of the {len(theirs):,} labels are of images that the models did not see "
            f"({name_ids(unknown[:6])}): give labels of the same images."
        )
    found = np.full(len(ids), -1)
    found[rows] = label
    return found
