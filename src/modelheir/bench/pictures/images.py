"""Example images: a row a step, or a row a class with its finer ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from modelheir.address import parse_data
from modelheir.checks import InputError, nearest
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import read_yaml
from modelheir.data import History, ImageSet, open_history, open_splits
from modelheir.data.history.superclasses import units_of
from modelheir.data.images import ArrayPixels
from modelheir.data.shifts.grammar import accumulate, parse_shifts
from modelheir.data.shifts.table import apply_images
from modelheir.report.figures.examples import Example

__all__ = ["Grid", "example_grid", "finer_grid", "same_images"]

_CLASSES = 10  #: where none are named
_SIDE = 144  #: pixels; larger images are made smaller, as a cell is drawn 72 units wide

Grid = list[tuple[str, list[Example | None]]]


def example_grid(history: History, *, classes: Sequence[str] = (), per_class: int = 1) -> tuple[Grid, list[str]]:
    """Choose the first training images of each class at every step.

    Args:
        history: The steps.
        classes: Which, in this order; none: the first ten.
        per_class: Images of each.

    Returns:
        The rows by the steps' names, ``None`` where a step has too few, and the columns' names.

    Raises:
        InputError: If there is no such class.
    """
    known = history.classes
    chosen = _known(classes, known) or list(known[:_CLASSES])
    grid: Grid = []
    for number, (name, step) in enumerate(zip(history.names, history.steps, strict=True)):
        images, row = step["train"], []
        for one in chosen:
            row += _first(images, images.labels == known.index(one), per_class)
        grid.append((f"{number}: {name}", row))
    return grid, [one for one in chosen for _ in range(per_class)]


def same_images(address: str) -> History:
    """Return the source's training images at every step, as the shifts of a sequence change them.

    Args:
        address: Of the sequence.

    Raises:
        InputError: If it is not a sequence of shifts.
    """
    history, found = _sequence(address, "same")
    source, compat = history.steps[0]["train"], found.get("mode") == "compat"
    pixels = np.stack([source.image(place) for place in range(len(source))])
    steps = []
    for number, state in enumerate(accumulate(parse_shifts(found["shifts"], compat=compat))):
        changed = apply_images(pixels, source.labels, state, np.random.default_rng(0), compat=compat)
        ids = np.array([f"{number}/{own.partition('/')[2]}" for own in source.ids])  # as those of a sequence's steps
        own = dataclasses.replace(source, ids=ids, pixels=ArrayPixels(changed), rows=np.arange(len(source)))
        steps.append({"train": own})
    return dataclasses.replace(history, steps=tuple(steps))


def finer_grid(address: str, *, classes: Sequence[str] = (), per_class: int = 1) -> tuple[Grid, list[str]]:
    """Choose the first training images of each finer class: a row a class, columns in the order of ``subpop``.

    Args:
        address: Of a sequence of shifts.
        classes: Which, in this order; none: all.
        per_class: Images of each finer class.

    Returns:
        As :func:`example_grid`; the columns are numbered from 1.

    Raises:
        InputError: If it is not a sequence of shifts, its classes have no finer ones, or there is no such class.
    """
    _, found = _sequence(address, "finer")
    images = open_splits(found["data"], InputConfig())["train"]
    units = units_of(images.classes, found.get("groups", {}))
    if units.finer == 1:
        raise InputError(f"--show finer: the classes of {address} have no finer ones: name them in its groups.")
    grid: Grid = []
    for one in _known(classes, units.classes) or units.classes:
        row, start = [], units.classes.index(one) * units.finer
        for unit in range(start, start + units.finer):
            held = _first(images, units.of(images) == unit, per_class)
            row += [example and example._replace(caption=units.names[unit]) for example in held]
        grid.append((one, row))
    return grid, [str(place) for place in range(1, units.finer + 1) for _ in range(per_class)]


def _sequence(address: str, show: str) -> tuple[History, dict[str, Any]]:
    """Open a sequence of shifts; return too what its file says, and the options behind its name."""
    spec = parse_data(address)
    history = open_history(address, InputConfig()) if spec.kind == "sequence" else None
    found = {**read_yaml(spec.place), **spec.options} if history else {}
    if not history or "shifts" not in found:
        raise InputError(f"--show {show} needs --data sequence:FILE with shifts in the file, and {address} has none.")
    return history, found


def _known(classes: Sequence[str], known: Sequence[str]) -> list[str]:
    for name in classes:
        if name not in known:
            raise InputError(
                f"--classes {name}: there is no such class.{nearest(name, known)} Known: {', '.join(known[:20])}"
                f"{', ...' if len(known) > 20 else ''}."
            )
    return list(classes)


def _first(images: ImageSet, those: np.ndarray, count: int) -> list[Example | None]:
    held = np.flatnonzero(those)[:count]
    return [*(_example(images, int(place)) for place in held), *[None] * (count - len(held))]


def _example(images: ImageSet, place: int) -> Example:
    pixels = images.image(place)
    if max(pixels.shape[:2]) > _SIDE:
        small = Image.fromarray(pixels)
        small.thumbnail((_SIDE, _SIDE))
        pixels = np.asarray(small)
    return Example(pixels, "", str(images.ids[place]))
