"""The table of shifts by name, in the order in which a step applies them, and the door for one's own.

A step first chooses images (``sampling``), then changes them (``images``), then renames their classes (``labels``);
within each the order is that of the table, whatever the order written. What has the name of another in ``joins`` adds
to that one's amount, so that both are applied at once.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.data.shifts import blocks, framing
from modelheir.data.shifts.graded import GRADED

__all__ = ["COMPAT", "SHIFTS", "Shift", "apply_images", "apply_labels", "apply_shares", "register_shift"]

CHANGES = ("sampling", "images", "labels")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class Shift:
    """One building block. Occurrences over steps add up to an amount, and the block is applied once with it.

    ``apply`` is, by what it changes:

    - images: ``(images, amount, random)`` to images; uint8 ``(N, H, W, 3)`` in and out, amount float ``(N,)``;
    - labels: ``(labels, amount, classes, random)`` to labels; int64 ``(N,)``, amount a float, classes a number;
    - sampling: ``(shares, amount)`` to shares; float ``(C, F)`` that add up to 1.
    """

    apply: Callable[..., np.ndarray]
    changes: str = "images"  #: what it changes: sampling, images or labels
    adds: float = 1.0  #: what an occurrence without ``@AMOUNT`` adds to the amount
    least: float = 0.0  #: of the amount that it has come to
    most: float = math.inf  #: likewise
    whole: bool = True  #: whether amounts are whole numbers
    by_class: Callable[[np.ndarray], np.ndarray] | None = None  #: original labels to what multiplies each amount
    joins: str = ""  #: the shift of images that its amount is added to

    def check(self, name: str, amount: float, where: str) -> None:
        """Require that it may have come to this amount.

        Raises:
            InputError: If not; begins with ``where``.
        """
        if not self.least <= amount <= self.most or (self.whole and amount != round(amount)):
            kind = "a whole number" if self.whole else "a number"
            most = "" if self.most == math.inf else f" and at most {self.most:.3g}"
            why = ", as a class would have a share below zero" if self.apply is blocks.move_shares else ""
            raise InputError(
                f"{where}: {name} has come to {amount:.6g} there, and it may be {kind}, at least {self.least:.3g}"
                f"{most}{why}."
            )


SHIFTS: dict[str, Shift] = {
    "label_shift": Shift(blocks.move_shares, changes="sampling", least=-10 / 3, most=10 / 3, whole=False),
    "subpop": Shift(blocks.slide_window, changes="sampling"),
    "corruption": Shift(blocks.add_noise),
    **{name: Shift(apply, most=most) for name, (apply, most) in GRADED.items()},
    "horizontal_flip": Shift(framing.mirror),
    "rotation": Shift(blocks.rotate, adds=30.0, least=-math.inf, whole=False),
    "rotation_cond": Shift(
        blocks.rotate, adds=30.0, least=-math.inf, whole=False, by_class=blocks.parity, joins="rotation"
    ),
    "recolor": Shift(blocks.recolor, adds=30.0, least=-math.inf, by_class=blocks.red),
    "recolor_cond": Shift(blocks.recolor, adds=30.0, least=-math.inf, by_class=blocks.thirds, joins="recolor"),
    "label_flip": Shift(blocks.flip_labels, changes="labels"),
}

#: what is otherwise in ``compat`` mode
COMPAT: dict[str, Shift] = {
    "corruption": dataclasses.replace(SHIFTS["corruption"], apply=functools.partial(blocks.add_noise, highest=2))
}


def register_shift(name: str, **settings: Any) -> Callable[[Callable[..., np.ndarray]], Callable[..., np.ndarray]]:
    """Give a function a name in sequences; it comes after all others that change the same.

    Args:
        name: Small letters, digits and ``_``.
        **settings: Of :class:`Shift`, such as ``changes``, ``adds``, ``most``, ``whole``.

    Raises:
        InputError: If the name is taken or has other characters.

    Example:
        >>> @register_shift("dim_example", most=5)
        ... def dim(images, amount, random):
        ...     "Darken by a tenth an occurrence."
        ...     return np.rint(images * (1 - amount / 10)[:, None, None, None]).astype(np.uint8)
        >>> picture = np.full((1, 1, 1, 3), 200, np.uint8)
        >>> apply_images(picture, np.array([0]), {"dim_example": 2}, np.random.default_rng(0))[0, 0, 0].tolist()
        [160, 160, 160]
        >>> del SHIFTS["dim_example"]
    """
    if name in SHIFTS:
        raise InputError(f"a shift {name!r} is there already: give yours another name.")
    if not _NAME.fullmatch(name) or name == "none":
        raise InputError(f"a shift cannot be called {name!r}: use small letters, digits and _, a letter first.")
    checks.one_of(CHANGES, changes=settings.get("changes", "images"))

    def add(apply: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        SHIFTS[name] = Shift(apply, **settings)
        return apply

    return add


def apply_shares(shares: np.ndarray, amounts: Mapping[str, float]) -> np.ndarray:
    """Change which share of all images every class and finer class has, ``(C, F)``."""
    for name, shift in SHIFTS.items():
        if shift.changes == "sampling" and name in amounts:
            shares = shift.apply(shares, amounts[name])
    return shares


def apply_images(
    images: np.ndarray,
    labels: np.ndarray,
    amounts: Mapping[str, float],
    random: np.random.Generator,
    *,
    compat: bool = False,
) -> np.ndarray:
    """Change images by every shift that has an amount.

    Args:
        images: Uint8 ``(N, H, W, 3)``.
        labels: Int64 ``(N,)``: original classes, by which some shifts differ.
        amounts: Shift to what its occurrences so far add up to; those of sampling and labels are left aside.
        random: Where all draws come from.
        compat: As in the paper's code.

    Returns:
        Images of the same shape; the array itself where nothing changes it.
    """
    table = {name: shift for name, shift in SHIFTS.items() if shift.changes == "images"}
    for name, shift in table.items():
        parts = [
            amounts[other] * (np.ones(len(images)) if one.by_class is None else one.by_class(labels))
            for other, one in table.items()
            if amounts.get(other, 0.0) and (one.joins or other) == name
        ]
        if parts:
            one = COMPAT.get(name, shift) if compat else shift
            images = one.apply(images, np.sum(parts, axis=0), random)
    return images


def apply_labels(
    labels: np.ndarray, classes: int, amounts: Mapping[str, float], random: np.random.Generator
) -> np.ndarray:
    """Rename classes ``(N,)`` by every shift of labels that has an amount."""
    for name, shift in SHIFTS.items():
        if shift.changes == "labels" and amounts.get(name, 0.0):
            labels = shift.apply(labels, amounts[name], classes, random)
    return labels
