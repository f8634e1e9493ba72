"""Labelled images over time: steps, oldest first, and how they are pooled."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelheir.checks import InputError
from modelheir.data.images import ImageSet, join_sets

__all__ = ["History", "rising_weights"]


@dataclasses.dataclass(frozen=True, eq=False)
class History:
    """Splits of every step. All share one class list, and no sample id is in two of them."""

    name: str  #: for messages
    steps: tuple[Mapping[str, ImageSet], ...]  #: oldest first: split (train, val; test where there is one) -> images
    names: tuple[str, ...]  #: of the steps, for tables; two may be equal
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: dotted settings of a run that belong to
    #: the data, such as ``network.mean`` in ``compat`` mode; none in ``fixed`` mode

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.names):
            raise ValueError(f"{len(self.steps)} steps have {len(self.names)} names")
        if len(self.steps) < 2:
            raise InputError(
                f"{self.name}: there is one step alone, and a history needs an older one before the newest."
            )
        seen: set[str] = set()
        for number, step in enumerate(self.steps):
            for split, images in step.items():
                if len(images) == 0:
                    raise InputError(
                        f"{self.name}: the {split} split of step {number} ({self.names[number]}) is empty: give more "
                        "images of that time, or take fewer steps."
                    )
                if images.classes != self.classes:
                    raise InputError(f"{self.name}: step {number} ({self.names[number]}) has another class list.")
                again = seen.intersection(images.ids.tolist())
                if again:
                    raise InputError(f"{self.name}: sample {min(again)!r} of step {number} is in another split too.")
                seen.update(images.ids.tolist())

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class list of all steps."""
        return next(iter(self.steps[-1].values())).classes

    @property
    def newest(self) -> Mapping[str, ImageSet]:
        """The splits of the last step, which alone counts in the end."""
        return self.steps[-1]

    def splits(self) -> dict[str, ImageSet]:
        """Return every split with the images of all steps, whose numbers, from 0, are the column ``time``."""
        found = {}
        for split in ("train", "val", "test"):
            steps = [number for number, step in enumerate(self.steps) if split in step]
            if steps:
                images = self.pool(split, steps=steps)
                columns = {key: values for key, values in images.columns.items() if key not in ("step", "weight")}
                found[split] = dataclasses.replace(images, columns={**columns, "time": images.columns["step"]})
        return found

    def pool(self, split: str, *, steps: Sequence[int] = (), weights: Sequence[float] = ()) -> ImageSet:
        """Put one split of several steps one after another.

        Args:
            split: Such as ``train``.
            steps: Which, from 0; -1 is the newest; () is all.
            weights: One weight a step, each above 0, in the order of ``steps``; () is 1 each.

        Returns:
            The images, with the columns ``step`` (int64) and ``weight`` (float64). A weighted mean over a batch divides
            by the number of images, as the weights are not normalised.

        Raises:
            InputError: If a step lacks the split.
            ValueError: If there is no such step, or weights and steps differ in number.
        """
        chosen = [range(len(self))[step] for step in steps] if steps else list(range(len(self)))
        given = list(weights) if weights else [1.0] * len(chosen)
        if len(given) != len(chosen) or any(not weight > 0 for weight in given):
            raise ValueError(f"weights must be one number above 0 for each of {len(chosen)} steps, got {given}")
        parts = []
        for step, weight in zip(chosen, given, strict=True):
            if split not in self.steps[step]:
                raise InputError(f"{self.name}: step {step} ({self.names[step]}) has no {split} split.")
            images = self.steps[step][split]
            columns = {"step": np.full(len(images), step), "weight": np.full(len(images), float(weight))}
            parts.append(dataclasses.replace(images, columns={**images.columns, **columns}))
        return join_sets(parts, name=f"{self.name} ({split} of {len(chosen)} steps)")


def rising_weights(steps: int) -> tuple[float, ...]:
    """Return the weights 1 / (S - t) of ``S`` steps, oldest first, which end at 1.

    Example:
        >>> [round(weight, 3) for weight in rising_weights(4)]
        [0.25, 0.333, 0.5, 1.0]
    """
    return tuple(1 / (steps - step) for step in range(steps))
