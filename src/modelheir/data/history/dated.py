"""A history that really happened: one set cut by a column that says when, or several sets, oldest first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np

from modelheir import checks
from modelheir.checks import AtLeast, InputError, InRange, OneOf, validate
from modelheir.classes import match_classes, renumber
from modelheir.data.carving import carve
from modelheir.data.history.history import History
from modelheir.data.images import ImageSet

__all__ = ["TimeConfig", "cut_by_time", "from_sets"]

_MOST_STEPS = 50  #: where nobody said how many


@dataclasses.dataclass(frozen=True)
class TimeConfig:
    """How images are cut into steps, and steps into splits where these are not given."""

    column: str = "time"  #: that says when; a larger value (of text: a later one in the alphabet) is newer
    steps: Annotated[int, AtLeast(0)] = 0  #: parts of about as many images, no value in two; 0 is a step a value
    cuts: tuple[Any, ...] = ()  #: in place of steps: values, rising, at each of which a new step begins
    val_fraction: Annotated[float, InRange(0, 1)] = 0.2  #: of every step, after its test split where it has one
    test_fraction: Annotated[float, InRange(0, 1)] = 0.5  #: of the newest step
    test: Annotated[str, OneOf("last", "every")] = "last"  #: which steps have a test split; of every, the first only
    #: where it is given


def cut_by_time(
    splits: Mapping[str, ImageSet], config: TimeConfig, *, name: str, seed: int = 0, keep_together: str = ""
) -> History:
    """Cut images into steps by a column.

    Args:
        splits: ``train``, and ``val`` and ``test`` where they are given: those are cut at the same values and kept, and
            what they lack is carved out of train.
        config: How.
        name: For messages.
        seed: Of which images are in which split.
        keep_together: Column (a patient, a camera) whose images stay in one split of their step; "" is none.

    Returns:
        A history whose newest step has a test split.

    Raises:
        InputError: If there is no such column, an image has no value in it, or there are fewer than two steps.
    """
    validate(config)
    given = {split: splits[split] for split in ("train", "val", "test") if split in splits}
    for images in given.values():
        if config.column not in images.columns:
            raise checks.unknown(f"column (settings: column), of {images.name}:", config.column, images.columns)
    values = {split: _values(images, config.column) for split, images in given.items()}
    distinct, counts = np.unique(np.concatenate(list(values.values())), return_counts=True)
    starts = _starts(distinct, counts, config, name)
    step_of = {split: np.searchsorted(starts, own, side="right") for split, own in values.items()}
    number = np.searchsorted(starts, distinct, side="right")
    names, steps = [], []
    for step in range(len(starts) + 1):
        own = distinct[number == step]
        if not len(own):
            raise InputError(f"{name}: no image has a {config.column} between the cuts before step {step}.")
        names.append(f"{config.column} {own[0]}" if len(own) == 1 else f"{config.column} {own[0]} to {own[-1]}")
        parts = {split: images.subset(step_of[split] == step) for split, images in given.items()}
        steps.append({split: images for split, images in parts.items() if len(images)})
    return _history(steps, names, config, name, seed, keep_together)


def from_sets(
    sets: Sequence[Mapping[str, ImageSet]],
    config: TimeConfig,
    *,
    names: Sequence[str],
    name: str,
    seed: int = 0,
    keep_together: str = "",
) -> History:
    """Make a history of several data sets, oldest first.

    Args:
        sets: Splits of each: ``train``, and ``val`` and ``test`` where they are given.
        config: How steps are split; ``column``, ``steps`` and ``cuts`` are not read.
        names: Of the steps.
        name: For messages.
        seed: Of which images are in which split.
        keep_together: As in :func:`cut_by_time`.

    Returns:
        A history with the newest set's classes first and those that it lacks behind them. Sample ids have the number of
        their step before them.

    Raises:
        InputError: If two sets share no class, or there are fewer than two.
    """
    validate(config)
    classes = next(iter(sets[-1].values())).classes if sets else ()
    for place, one in reversed([*enumerate(sets)][:-1]):
        theirs = next(iter(one.values())).classes
        match = match_classes(classes, theirs, names=(names[-1], names[place]))
        classes = match.together or match.ours
    steps = []
    for place, one in enumerate(sets):
        steps.append(
            {split: _renamed(images, classes, place) for split, images in one.items() if split != "unlabelled"}
        )
    return _history(steps, names, config, name, seed, keep_together)


def _renamed(images: ImageSet, classes: tuple[str, ...], place: int) -> ImageSet:
    match = match_classes(classes, images.classes)
    ids = np.array([f"{place}/{own}" for own in images.ids], dtype=str)
    return dataclasses.replace(images, classes=classes, labels=renumber(images.labels, match.to_ours), ids=ids)


def _history(
    steps: Sequence[Mapping[str, ImageSet]],
    names: Sequence[str],
    config: TimeConfig,
    name: str,
    seed: int,
    keep_together: str,
) -> History:
    made = []
    for number, step in enumerate(steps):
        if "train" not in step:
            raise InputError(f"{name}: step {number} ({names[number]}) has no training image.")
        newest = number == len(steps) - 1
        tested = newest or (config.test == "every" and (number > 0 or "test" in step))
        found = dict(step)
        for split, fraction in (("test", config.test_fraction), ("val", config.val_fraction)):
            if split in found or (split == "test" and not (tested and (newest or fraction))):
                continue
            found["train"], found[split] = carve(
                found["train"], fraction, seed=seed, name=split, keep_together=keep_together
            )
        kept = [split for split in ("train", "val", "test") if split in found and (split != "test" or tested)]
        made.append({split: found[split] for split in kept})
    return History(name, tuple(made), tuple(names))


def _values(images: ImageSet, column: str) -> np.ndarray:
    values = np.asarray(images.columns[column])
    missing = values == "" if values.dtype.kind in "US" else values != values  # the second: not a number
    if np.any(missing):
        at = str(images.ids[np.flatnonzero(missing)[0]])
        raise InputError(
            f"{images.name}: {int(np.sum(missing))} images have no {column}, the first is {at!r}: say when, or leave "
            "them out."
        )
    return values


def _starts(distinct: np.ndarray, counts: np.ndarray, config: TimeConfig, name: str) -> np.ndarray:
    """Return the values at which each step after the first begins."""
    if config.cuts and config.steps:
        raise InputError("cuts and steps are two ways to say the same: give one.")
    if config.cuts:
        cuts = np.array([str(cut) for cut in config.cuts] if distinct.dtype.kind in "US" else config.cuts)
        if cuts.dtype.kind not in ("US" if distinct.dtype.kind in "US" else "biuf"):
            raise InputError(f"cuts: {list(config.cuts)} must be numbers, as {config.column} of {name} is.")
        if (cuts[1:] <= cuts[:-1]).any():
            raise InputError(f"cuts: {list(config.cuts)} must rise.")
        return cuts
    steps = config.steps or len(distinct)
    if not config.steps and steps > _MOST_STEPS:
        raise InputError(
            f"{name}: {config.column} has {len(distinct):,} values, each of which would be a step: say how many steps "
            "with steps, or where they begin with cuts."
        )
    if steps > len(distinct):
        raise InputError(f"{name}: {config.column} has {len(distinct)} values, fewer than the {steps} steps asked for.")
    reached, firsts = np.cumsum(counts), [0]
    for step in range(1, steps):
        near = int(np.argmin(np.abs(reached - reached[-1] * step / steps))) + 1
        firsts.append(min(max(near, firsts[-1] + 1), len(distinct) - (steps - step)))
    return distinct[firsts[1:]]
