"""What stands out in a group of images: classes, changes and columns that it has more often than all images have."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from modelheir.analysis.pairing import Pair
from modelheir.analysis.slices.found import Word
from modelheir.metrics.groups import group_by

__all__ = ["Properties", "Property", "properties", "words"]

_MOST = 5  #: words of a group
_SHARE, _LIFT = 0.15, 1.5  #: smallest of a word; what is rare or usual says little
_MOST_VALUES = 1000  #: of a column; one with more, such as paths, describes nothing


@dataclasses.dataclass(frozen=True, eq=False)
class Property:
    """One thing to know of each image."""

    kind: str
    codes: np.ndarray  #: ``(N,)`` place in ``values``
    values: tuple[str, ...]
    among: np.ndarray | None = None  #: ``(N,)`` bool, the images that it is told of; ``None``: all


Properties = Sequence[Property]


def properties(pair: Pair, order: np.ndarray, flipped: np.ndarray, columns: Sequence[str]) -> list[Property]:
    """Collect what can describe an image.

    Args:
        pair: The two models' predictions.
        order: Places in the pair, shape ``(N,)``; what is returned is in this order.
        flipped: Whether each image, in that order, is newly wrong.
        columns: Further columns; those that neither file has are left out.
    """
    label, said = pair.label[order], pair.new.prediction[order]
    change = np.searchsorted(pair.numbers, label) * pair.count + np.searchsorted(pair.numbers, said)
    found = [
        _property("true class", label, pair.class_name),
        _property("new prediction", said, pair.class_name),
        _property("broken as", change, lambda code: _change(pair, code), among=flipped),
    ]
    for column in columns:
        side = next((side for side in (pair.new, pair.old) if column in side.predictions.columns), None)
        if side is not None:
            codes, values = group_by(side.take(np.asarray(side.predictions.columns[column]))[order])
            if len(values) <= _MOST_VALUES:
                found.append(Property(column, codes, tuple("(empty)" if v is None else str(v) for v in values)))
    return found


def _property(kind: str, numbers: np.ndarray, name: Any, among: np.ndarray | None = None) -> Property:
    values, codes = np.unique(numbers, return_inverse=True)
    return Property(kind, codes, tuple(name(int(value)) for value in values), among)


def _change(pair: Pair, code: int) -> str:
    label, said = (int(pair.numbers[place]) for place in divmod(code, pair.count))
    return f"{pair.class_name(label)} -> {pair.class_name(said)}"


def words(known: Properties, inside: np.ndarray) -> tuple[Word, ...]:
    """Return what a group has more often than all images, at most five words.

    Args:
        known: What can describe an image.
        inside: Whether each image is in the group, shape ``(N,)`` bool.

    Returns:
        The words, the largest gap between the group's share and that of all images first.
    """
    found: list[Word] = []
    for one in known:
        among = np.ones(len(inside), bool) if one.among is None else one.among
        here = np.bincount(one.codes[inside & among], minlength=len(one.values))
        every = np.bincount(one.codes[among], minlength=len(one.values))
        if not here.sum():
            continue
        share, overall = here / here.sum(), every / every.sum()
        for k in np.flatnonzero((share >= _SHARE) & (share >= _LIFT * overall)):
            lift = float(share[k] / overall[k])
            found.append(Word(one.kind, one.values[k], float(share[k]), float(overall[k]), lift))
    return tuple(sorted(found, key=lambda word: (word.overall - word.share, word.kind, word.value))[:_MOST])
