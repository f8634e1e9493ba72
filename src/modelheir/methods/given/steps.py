"""Data over time: one mapping of splits a step, the oldest first; the newest step is what counts."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from modelheir import checks, data
from modelheir.checks import InputError
from modelheir.methods.given.data import Data
from modelheir.methods.given.pool import without_copies
from modelheir.selection.replay import balanced_rows

__all__ = ["Steps", "cut_steps", "steps_of_sources"]

_MOST_VALUES = 20  #: distinct values of a column that are steps by themselves
_USUAL = 5  #: steps of a column with more values, where no number is given


@dataclasses.dataclass(frozen=True)
class Steps:
    """The steps of one class list."""

    names: tuple[str, ...]  #: oldest first
    parts: tuple[Mapping[str, data.ImageSet], ...]  #: train, val and, of the newest at least, test

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise InputError(
                "there is one step, and adaptation needs a past: give --history, or data of several times."
            )
        for name, splits in zip(self.names, self.parts, strict=True):
            needed = ("train", "val") if name != self.names[-1] else ("train", "val", "test")
            for split in needed:
                if split not in splits or not len(splits[split]):
                    raise InputError(
                        f"step {name!r} has no image in its {split} split: take fewer steps (--method.steps), or give "
                        "more images of that time."
                    )

    def __len__(self) -> int:
        return len(self.parts)

    def of(self, known: Data, numbers: Sequence[int], *, select: Sequence[int], replay: float = 0) -> Data:
        """Return data that trains on some steps together, chooses on others, and reports on the newest alone.

        Args:
            known: How images are read.
            numbers: Steps to train on.
            select: Steps whose selection images choose.
            replay: Images of the steps before the first of ``numbers``, even over classes, for each of its own.
        """
        train = self.join("train", numbers)
        if replay and numbers[0]:
            earlier = self.join("train", range(numbers[0]))
            drawn = np.random.default_rng([known.seed, numbers[0]])
            kept = earlier.subset(balanced_rows(earlier.labels, round(replay * len(train)), drawn))
            train = data.join_sets([kept, train], name=f"{train.name} and images of steps before it")
        splits = {"train": train, "val": self.join("val", select), "test": self.parts[-1]["test"]}
        return dataclasses.replace(known, splits=splits, stores={})

    def join(self, split: str, numbers: Sequence[int]) -> data.ImageSet:
        """Return one split of several steps, one after another."""
        sets = [self.parts[number][split] for number in numbers]
        return sets[0] if len(sets) == 1 else data.join_sets(sets, name=f"{split} of {len(sets)} steps")


def cut_steps(splits: Mapping[str, data.ImageSet], column: str, count: int = 0) -> Steps:
    """Cut data into steps by a column that says when an image was taken.

    Args:
        splits: Of one source; unlabelled images are left out.
        column: Numbers, or text that sorts in the order of time, such as ``2024-05``.
        count: Steps of about equally many training images, cut between two values; 0: each value of the column is a
            step, or there are five where it has more than twenty.

    Raises:
        InputError: If there is no such column, a value is missing, or there are too few values.
    """
    train = splits["train"]
    if column not in train.columns:
        raise InputError(
            f"{train.name} has no column {column!r} that says when an image was taken."
            f"{checks.nearest(column, train.columns)} Columns: {', '.join(train.columns) or 'none'}."
        )
    kept = {name: images.subset(images.labels >= 0) for name, images in splits.items() if name != "unlabelled"}
    values = {name: _values(images, column) for name, images in kept.items()}
    distinct = np.unique(values["train"])
    count = count or (len(distinct) if len(distinct) <= _MOST_VALUES else _USUAL)
    if len(distinct) < count:
        raise InputError(f"{train.name}: column {column!r} has {len(distinct)} values, too few for {count} steps.")
    # a cut lies after the value at which the share of training images is reached, and each step has a value at least
    order = np.searchsorted(distinct, values["train"])
    reached = np.cumsum(np.bincount(order, minlength=len(distinct)))
    ends: list[int] = []
    for number in range(1, count):
        at = int(np.searchsorted(reached, number * reached[-1] / count))
        ends.append(min(max(at, ends[-1] + 1 if ends else 0), len(distinct) - 1 - (count - number)))
    place = {name: np.searchsorted(distinct[ends], found, side="left") for name, found in values.items()}
    edges = [0, *(end + 1 for end in ends), len(distinct)]
    names = [_name(distinct[first:last]) for first, last in itertools.pairwise(edges)]
    parts = [
        {
            name: images.subset(place[name] == number, name=f"{images.name}, step {names[number]}")
            for name, images in kept.items()
        }
        for number in range(count)
    ]
    return Steps(tuple(names), tuple(parts))


def steps_of_sources(
    history: Sequence[Mapping[str, data.ImageSet]], newest: Mapping[str, data.ImageSet], *, resident_gib: float = 4
) -> Steps:
    """Make a step of each source, the newest last; an id that an earlier step has too gets its step before it.

    Training images of the past that are also the newest's selection or reporting images, pixel for pixel, are left out.

    Args:
        history: Splits of each earlier source, oldest first.
        newest: Of the newest.
        resident_gib: Largest decoded split that is looked at for such copies.
    """
    held = {split: newest[split] for split in ("val", "test")}
    taken: set[str] = set()
    parts = []
    for number, splits in enumerate((*history, newest)):
        found = {}
        for split in ("train", "val", "test"):
            images = splits[split].subset(splits[split].labels >= 0)
            if split == "train" and splits is not newest:
                images = without_copies(images, held, resident_gib=resident_gib, flag="--history")
            ids = [f"step{number + 1}/{one}" if str(one) in taken else str(one) for one in images.ids]
            found[split] = dataclasses.replace(images, ids=np.array(ids, dtype=str), columns={})
        taken |= {str(one) for images in found.values() for one in images.ids}
        parts.append(found)
    return Steps(tuple(f"{number + 1} of {len(parts)}" for number in range(len(parts))), tuple(parts))


def _values(images: data.ImageSet, column: str) -> np.ndarray:
    """Return the column's values; refuse one that is missing."""
    found = np.asarray(images.columns[column])
    missing = np.isnan(found) if found.dtype.kind == "f" else np.array([str(one) in ("", "None") for one in found])
    if missing.any():
        name = images.ids[int(np.flatnonzero(missing)[0])]
        raise InputError(
            f"{images.name}: {int(missing.sum()):,} images have no {column!r}, the first is {str(name)!r}; give it, or "
            "leave them out."
        )
    return found if found.dtype.kind in "iuf" else found.astype(str)


def _name(values: np.ndarray) -> str:
    """Name a step by its first and last value."""
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"
