"""How a sequence is written: steps parted by ``:``, shifts within one by ``,``; the source before them is not written.

``rotation:corruption,recolor@15:none`` turns the second step, adds noise and a tint of 15 levels to the third, and
changes nothing more in the fourth. ``@AMOUNT`` is what this occurrence adds, in place of the usual. Amounts add up
over steps.

In ``compat`` mode a step is searched for the eight names of the paper's code, so that ``rotation_cond`` hides
``rotation`` beside it (and ``recolor_cond`` ``recolor``), a name counts once a step, and there are no amounts.
"""

from __future__ import annotations

from collections.abc import Mapping

from modelheir import checks
from modelheir.checks import InputError
from modelheir.data.shifts.table import SHIFTS

__all__ = ["NONE", "accumulate", "parse_shifts"]

NONE = "none"  #: a step that changes nothing more
_PUBLISHED = (
    "corruption", "rotation_cond", "rotation", "recolor_cond", "recolor", "label_flip", "label_shift", "subpop",
)  # fmt: skip
_HIDES = {"rotation": "rotation_cond", "recolor": "recolor_cond"}


def parse_shifts(text: str, *, compat: bool = False) -> list[dict[str, float]]:
    """Take a sequence apart.

    Args:
        text: As above.
        compat: Read it as the paper's code does.

    Returns:
        What each step after the source adds: shift to amount.

    Raises:
        InputError: If there is no step, a name is unknown (offers the nearest), or an amount is no number.

    Example:
        >>> parse_shifts("rotation:corruption,recolor@15")
        [{'rotation': 30.0}, {'corruption': 1.0, 'recolor': 15.0}]
        >>> parse_shifts("rotation_cond,rotation", compat=True)
        [{'rotation_cond': 30.0}]
    """
    if not text.strip():
        raise InputError(
            "shifts: a sequence of one step has no history: name the shifts of at least one step after the source, "
            "such as rotation:corruption."
        )
    return [_published(step) if compat else _exact(step, number) for number, step in enumerate(text.split(":"), 1)]


def accumulate(steps: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return what has been added up to each step, the source first.

    Raises:
        InputError: If a shift has come to more, or less, than it may.

    Example:
        >>> accumulate([{"rotation": 30.0}, {"rotation": 30.0, "subpop": 1.0}])
        [{}, {'rotation': 30.0}, {'rotation': 60.0, 'subpop': 1.0}]
    """
    states: list[dict[str, float]] = [{}]
    for number, step in enumerate(steps, 1):
        states.append(_sum(states[-1], step))
        for name in step:
            SHIFTS[name].check(name, states[-1][name], f"shifts: step {number}")
    return states


def _exact(step: str, number: int) -> dict[str, float]:
    added: dict[str, float] = {}
    for part in step.split(","):
        name, at, amount = (one.strip() for one in part.strip().partition("@"))
        if name == NONE and not at:
            continue
        if not name:
            raise InputError(f"shifts: step {number} has an empty name: write {NONE} for a step without a shift.")
        if name not in SHIFTS:
            raise checks.unknown("shift", name, SHIFTS)
        try:
            value = float(amount) if at else SHIFTS[name].adds
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf"):
            raise InputError(f"shifts: step {number}: {part.strip()!r} must be NAME or NAME@NUMBER.")
        added = _sum(added, {name: value})
    return added


def _published(step: str) -> dict[str, float]:
    found = [name for name in _PUBLISHED if name in step and _HIDES.get(name, ":") not in step]
    if not found and step.strip() not in (NONE, ""):
        raise checks.unknown("shift", step.strip(), _PUBLISHED)
    return {name: SHIFTS[name].adds for name in found}


def _sum(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {**one, **{name: one.get(name, 0.0) + amount for name, amount in other.items()}}
