"""Data over time as a plan sees it: what trains, chooses and reports where some steps of a history are learnt from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from modelheir import checks, data
from modelheir.checks import InputError
from modelheir.methods.given.data import EARLIER, Data
from modelheir.methods.given.pool import without_copies
from modelheir.selection.replay import balanced_rows

__all__ = ["cut_steps", "data_of_steps", "steps_of_sources"]

_MOST_VALUES = 20  #: distinct values of a column that are steps by themselves
_USUAL = 5  #: steps of a column with more values, where no number is given


def data_of_steps(
    known: Data,
    history: data.History,
    numbers: Sequence[int],
    *,
    select: Sequence[int],
    weights: Sequence[float] = (),
    replay: float = 0,
) -> Data:
    """Return data that trains on some steps together, chooses on others, and reports on the newest.

    Where earlier steps have reporting images, these are a split of their own, ``EARLIER``, with the column ``step``.

    Args:
        known: How images are read.
        history: All steps.
        numbers: Steps to train on.
        select: Steps whose selection images choose.
        weights: Of the images of each step, a column of the training split; none: all 1.
        replay: Images of the steps before the first of ``numbers``, even over classes, for each of its own.
    """
    train = history.pool("train", steps=numbers, weights=weights)
    if replay and numbers[0]:
        earlier = history.pool("train", steps=range(numbers[0]))
        drawn = np.random.default_rng([known.seed, numbers[0]])
        kept = earlier.subset(balanced_rows(earlier.labels, round(replay * len(train)), drawn))
        train = data.join_sets([kept, train], name=f"{train.name} and images of steps before it")
    splits = {"train": train, "val": history.pool("val", steps=select), "test": history.newest["test"]}
    tested = [number for number, step in enumerate(history.steps[:-1]) if "test" in step]
    if tested:
        splits[EARLIER] = history.pool("test", steps=tested)
    return dataclasses.replace(known, splits=splits, stores={})


def cut_steps(splits: Mapping[str, data.ImageSet], column: str, count: int = 0) -> data.History:
    """Cut data into steps by a column that says when an image was taken.

    Args:
        splits: Of one source; unlabelled images are left out.
        column: Numbers, or text that sorts in the order of time, such as ``2024-05``.
        count: Steps of about equally many images, cut between two values; 0: each value of the column is a step, or
            there are five where it has more than twenty.

    Raises:
        InputError: If there is no such column, a value is missing, there are too few values, or the newest step has no
            image to report on.
    """
    train = splits["train"]
    if column not in train.columns:
        raise InputError(
            f"{train.name} has no column {column!r} that says when an image was taken."
            f"{checks.nearest(column, train.columns)} Columns: {', '.join(train.columns) or 'none'}."
        )
    kept = {name: images.subset(images.labels >= 0) for name, images in splits.items() if name != "unlabelled"}
    distinct = np.unique(kept["train"].columns[column])
    steps = count or (len(distinct) if len(distinct) <= _MOST_VALUES else _USUAL)
    name = train.name.removesuffix(" (train)")
    return data.cut_by_time(kept, data.TimeConfig(column=column, steps=steps, test_fraction=0, test="every"), name=name)


def steps_of_sources(
    history: Sequence[Mapping[str, data.ImageSet]], newest: Mapping[str, data.ImageSet], *, resident_gib: float = 4
) -> data.History:
    """Make a step of each source, the newest last; an id that an earlier step has too gets its step before it.

    Training images of the past that are also the newest's selection or reporting images, pixel for pixel, are left out.

    Args:
        history: Splits of each earlier source, oldest first.
        newest: Of the newest, whose ids stay.
        resident_gib: Largest decoded split that is looked at for such copies.
    """
    held = {split: newest[split] for split in ("val", "test")}
    taken = {str(one) for split in ("train", "val", "test") for one in newest[split].ids}
    steps = []
    for number, splits in enumerate(history):
        found = {}
        for split in ("train", "val", "test"):
            images = splits[split].subset(splits[split].labels >= 0)
            if split == "test" and not len(images):
                continue
            if split == "train":
                images = without_copies(images, held, resident_gib=resident_gib, flag="--history")
            ids = [f"step{number + 1}/{one}" if str(one) in taken else str(one) for one in images.ids]
            found[split] = dataclasses.replace(images, ids=np.array(ids, dtype=str), columns={})
        taken |= {str(one) for images in found.values() for one in images.ids}
        steps.append(found)
    last = {split: newest[split].subset(newest[split].labels >= 0) for split in ("train", "val", "test")}
    names = tuple(f"{number + 1} of {len(history) + 1}" for number in range(len(history) + 1))
    return data.History("--history and --data", (*steps, last), names)
