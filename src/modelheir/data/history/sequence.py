"""A history made of shifts: images of one data set, changed a little more in each step.

As in Seq-to-Final (Ji, Alaa and Sontag, 2024, arXiv 2407.09642). In ``fixed`` mode, which is what that benchmark's
description promises, no image of the base is in two splits or steps, and finer classes without a share have no image.
``compat`` mode does what its published code does, faults included: steps draw independently of each other, so that some
images of the newest step are in older ones too; finer classes at the end of the order are drawn without a share (see
:func:`modelheir.data.history.sampling.quotas`); noise lies 0.5 levels too low; networks see levels of 0 to 255 without
normalisation or augmentation (``History.settings``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from modelheir.checks import AtLeast, InputError, OneOf, validate
from modelheir.config.unread import refuse_unread
from modelheir.data.history.history import History
from modelheir.data.history.sampling import allot, draw, quotas, step_seeds, train_part
from modelheir.data.history.superclasses import Units, units_of
from modelheir.data.history.variants import VARIANTS, add_variants
from modelheir.data.images import ArrayPixels, ImageSet
from modelheir.data.shifts.blocks import rotate
from modelheir.data.shifts.grammar import accumulate, parse_shifts
from modelheir.data.shifts.table import SHIFTS, apply_images, apply_labels, apply_shares

__all__ = ["COMPAT_SETTINGS", "MODES", "SequenceConfig", "make_sequence"]

#: what a run is given in ``compat`` mode: levels of 0 to 255, neither normalised nor augmented
COMPAT_SETTINGS: Mapping[str, Any] = {
    "inputs.augment": "none",
    "network.mean": (0.0, 0.0, 0.0),
    "network.std": (1 / 255, 1 / 255, 1 / 255),
}

MODES = ("fixed", "compat")  #: as described, and as published, faults included
_SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class SequenceConfig:
    """What a sequence is made of."""

    shifts: str  #: steps after the source parted by ":", shifts within one by ","
    sizes: Annotated[tuple[int, ...], AtLeast(1)]  #: images of each step for training and validation, the source first
    test_size: Annotated[int, AtLeast(1)] = 1000  #: further images, of the test split
    test: Annotated[str, OneOf("last", "every")] = "last"  #: which steps after the source have a test split
    mode: Annotated[str, OneOf(*MODES)] = "fixed"  #: as described, or as published, faults included
    seed: Annotated[int, AtLeast(0)] = 1007
    variants: Annotated[str, OneOf(*VARIANTS)] = "none"  #: changed copies of training images, kept beside them
    drawn: Annotated[int, AtLeast(0)] = 0  #: variants of an image that are kept, drawn; 0 is all
    groups: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)  #: class -> finer classes in the order
    #: of subpop; {} is CIFAR-100's own 20, and none for other data

    def unread(self) -> dict[str, str]:
        """Return what is left aside where there are no variants."""
        return {"drawn": "variants = 'none'"} if self.variants == "none" else {}


def make_sequence(train: ImageSet, test: ImageSet, config: SequenceConfig, *, name: str = "sequence") -> History:
    """Make the steps of a sequence.

    Args:
        train: Images of one size, of which train and val splits are drawn, four to one.
        test: The same for test splits; the same class list.
        config: What the sequence is made of.
        name: For messages.

    Returns:
        A history. Sample ids are those of the base with the number of the step before them; the columns ``base``
        and ``original`` hold the id and the class before labels were flipped.

    Raises:
        InputError: If there is no step after the source, sizes do not fit the steps, a shift is unknown or has come too
            far, or there are fewer images of a class than asked for.
    """
    validate(config)
    refuse_unread(config, SequenceConfig("", ()), "sequence")
    if train.classes != test.classes:
        raise InputError(f"{name}: {train.name} and {test.name} have other class lists.")
    compat = config.mode == "compat"
    added = parse_shifts(config.shifts, compat=compat)
    states = accumulate(added)
    if len(config.sizes) != len(states):
        raise InputError(
            f"sizes: the sequence {config.shifts!r} has {len(states)} steps, the source among them, and sizes has "
            f"{len(config.sizes)}."
        )
    units = units_of(train.classes, config.groups)
    wanted = _wanted(config, states, units, compat)
    texts = ("source", *(step.strip() for step in config.shifts.split(":")))
    seeds = step_seeds(config.seed, len(added))
    if any(SHIFTS[shift].apply is rotate for shift in states[-1]):  # a mirrored one would be turned the other way
        train, test = (dataclasses.replace(images, mirror=False) for images in (train, test))
    chosen = _chosen(train, test, wanted, units, seeds, compat)
    steps = []
    for number, (splits, state, seed) in enumerate(zip(chosen, states, seeds, strict=True)):
        made = {}
        for split, rows in splits.items():
            base = test if split == "test" else train
            random = np.random.Generator(np.random.PCG64([seed, number, _SPLITS.index(split)]))
            label = f"{name}, step {number} ({texts[number]}), {split}"
            made[split] = _shifted(base, rows, units, number, state, random, label, compat)
        made["train"] = add_variants(
            made["train"], config.variants, drawn=config.drawn, random=np.random.default_rng([seed, number, 3])
        )
        steps.append(made)
    return History(name, tuple(steps), texts, COMPAT_SETTINGS if compat else {})


def _wanted(
    config: SequenceConfig, states: list[dict[str, float]], units: Units, compat: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return how many images of each unit every step has: for training and validation, and for test."""
    found = []
    for number, (state, size) in enumerate(zip(states, config.sizes, strict=True)):
        shares = np.full((len(units.classes), units.finer), 1 / (len(units.classes) * units.finer))
        if units.finer > 1:
            state = {"subpop": 0.0, **state}
        if state.get("subpop", 0.0) > max(units.finer - 2, 0):
            most = (
                f"{units.finer} finer classes have {units.finer - 2}"
                if units.finer > 1
                else "groups name no finer ones"
            )
            raise InputError(f"shifts: step {number} is the {state['subpop']:.0f}. with subpop, and {most}.")
        shares = apply_shares(shares, state)
        own = quotas(size, shares, compat=compat).ravel()
        few = np.flatnonzero((own < 2) & (shares.ravel() > 0))
        if len(few):
            raise InputError(
                f"sizes: the {size:,} images of step {number} leave {own[few[0]]} for {units.names[few[0]]!r}, and it "
                "needs one for training and one for validation: ask for more."
            )
        tested = number == len(states) - 1 or (config.test == "every" and number > 0)
        for_test = quotas(config.test_size, shares, compat=compat).ravel() if tested else np.zeros_like(own)
        found.append((own, for_test))
    return found


def _chosen(
    train: ImageSet,
    test: ImageSet,
    wanted: list[tuple[np.ndarray, np.ndarray]],
    units: Units,
    seeds: list[int],
    compat: bool,
) -> list[dict[str, np.ndarray]]:
    """Return the rows of each split of every step."""
    given = [
        (images, units.of(images), [counts[part] for counts in wanted]) for part, images in enumerate((train, test))
    ]
    if compat:
        rows: list[list[list[np.ndarray]]] = [[], []]
        for number, seed in enumerate(seeds):
            random = np.random.RandomState(seed)
            for found, (images, unit, counts) in zip(rows, given, strict=True):
                found.append(draw(unit, counts[number], random, names=units.names, what=images.name))
    else:
        rows = [
            allot(unit, counts, seed=seeds[0], names=units.names, what=images.name) for images, unit, counts in given
        ]
    chosen = []
    for for_fit, for_test in zip(*rows, strict=True):
        cuts = [train_part(len(one)) for one in for_fit]
        step = {
            "train": np.concatenate([one[:cut] for one, cut in zip(for_fit, cuts, strict=True)]),
            "val": np.concatenate([one[cut:] for one, cut in zip(for_fit, cuts, strict=True)]),
            "test": np.concatenate(for_test),
        }
        chosen.append({split: found for split, found in step.items() if len(found)})
    return chosen


def _shifted(
    base: ImageSet,
    rows: np.ndarray,
    units: Units,
    number: int,
    state: Mapping[str, float],
    random: np.random.Generator,
    name: str,
    compat: bool,
) -> ImageSet:
    part = base.subset(rows, name=name)
    if part.array is None:
        raise InputError(f"{base.name}: images of several sizes, or too many to decode first, cannot be shifted.")
    labels = units.of(part) // units.finer
    images = apply_images(part.array, labels, state, random, compat=compat)
    return dataclasses.replace(
        part,
        classes=units.classes,
        ids=np.array([f"{number}/{own}" for own in part.ids]),
        labels=apply_labels(labels, len(units.classes), state, random),
        pixels=ArrayPixels(images),
        rows=np.arange(len(part)),
        columns={**part.columns, "base": part.ids, "original": np.array(units.classes)[labels]},
    )
