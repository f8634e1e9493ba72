"""How strongly consecutive copies of a joint model are held together, by the names Seq-to-Final gives the choices.

Ji et al., 2024, arXiv:2407.09642, and its published code.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from modelheir import checks

__all__ = ["Adjacent", "adjacent"]


class Adjacent(NamedTuple):
    """What one choice means."""

    distance: Literal["none", "l1", "l2", "fisher"]  #: of the parameters of consecutive copies
    weights: tuple[float, ...]  #: mu, the values that are tried


_MEDIUM = (0.01, 0.1, 1.0)
_CHOICES = {
    "none": Adjacent("none", (0.0,)),
    "l2": Adjacent("l2", _MEDIUM),
    "l1": Adjacent("l1", _MEDIUM),
    "l2_fisher": Adjacent("fisher", _MEDIUM),
    "l2_high": Adjacent("l2", (10.0, 100.0, 1000.0)),
    "l2_very_high": Adjacent("l2", (1e4, 1e5, 1e6)),
}


def adjacent(name: str) -> Adjacent:
    """Return the distance and the weights of a choice.

    Args:
        name: ``none``, ``l2``, ``l1``, ``l2_fisher``, ``l2_high`` or ``l2_very_high``.

    Raises:
        InputError: If it is none of these; with the nearest one.

    Example:
        >>> adjacent("l2_high")
        Adjacent(distance='l2', weights=(10.0, 100.0, 1000.0))
    """
    checks.one_of(_CHOICES, adjacent_reg_type=name)
    return _CHOICES[name]
