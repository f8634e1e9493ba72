"""The grid strategy: every combination of the listed values once, in a fixed order."""

from __future__ import annotations

import itertools
import math
from typing import Any

from modelheir.checks import InputError
from modelheir.config.search import Listed, Space

__all__ = ["combination", "combinations", "values_of"]


def values_of(space: Space, strategy: str) -> dict[str, tuple[Any, ...]]:
    """Return the values of each setting.

    Args:
        space: What is tried.
        strategy: That goes through lists, for the message.

    Raises:
        InputError: If a setting has a range, which has no values to go through.
    """
    for key, one in space.items():
        if not isinstance(one, Listed):
            raise InputError(
                f"{key} is given by a range, and the {strategy} strategy goes through lists: list its values."
            )
    return {key: one.values for key, one in space.items() if isinstance(one, Listed)}


def combinations(space: Space) -> int:
    """Return how many combinations there are.

    >>> combinations({"fit.lr": Listed((0.1, 0.2)), "inputs.erase": Listed((0.0, 0.1, 0.5))})
    6
    """
    return math.prod(len(values) for values in values_of(space, "grid").values())


def combination(space: Space, number: int) -> dict[str, Any] | None:
    """Return a combination by its number, from 0; the last setting changes fastest. ``None`` past the last.

    >>> space = {"fit.lr": Listed((0.1, 0.2)), "inputs.erase": Listed((0.0, 0.1, 0.5))}
    >>> combination(space, 4)
    {'fit.lr': 0.2, 'inputs.erase': 0.1}
    >>> combination(space, 6)
    """
    values = values_of(space, "grid")
    row = next(itertools.islice(itertools.product(*values.values()), number, None), None)
    return None if row is None else dict(zip(values, row, strict=True))
