"""Example images of a history: a row a step, columns of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from modelheir.checks import InputError, nearest
from modelheir.data import History, ImageSet
from modelheir.report.figures.examples import Example

__all__ = ["example_grid"]

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
    for name in classes:
        if name not in known:
            raise InputError(
                f"--classes {name}: there is no such class.{nearest(name, known)} Known: {', '.join(known[:20])}"
                f"{', ...' if len(known) > 20 else ''}."
            )
    chosen = list(classes) or list(known[:_CLASSES])
    grid: Grid = []
    for number, (name, step) in enumerate(zip(history.names, history.steps, strict=True)):
        images, row = step["train"], []
        for one in chosen:
            held = np.flatnonzero(images.labels == known.index(one))[:per_class]
            row += [_example(images, int(place)) for place in held]
            row += [None] * (per_class - len(held))
        grid.append((f"{number}: {name}", row))
    return grid, [one for one in chosen for _ in range(per_class)]


def _example(images: ImageSet, place: int) -> Example:
    pixels = images.image(place)
    if max(pixels.shape[:2]) > _SIDE:
        small = Image.fromarray(pixels)
        small.thumbnail((_SIDE, _SIDE))
        pixels = np.asarray(small)
    return Example(pixels, "", str(images.ids[place]))
