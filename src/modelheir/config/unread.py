"""Settings that a choice leaves aside: not shown, not written, and refused where somebody gives them a value.

A config that chooses between groups of settings has a method ``unread()``: field name -> the choice that leaves it
aside, in words.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from modelheir.checks import InputError

__all__ = ["refuse_unread", "unread", "why_unread"]


def unread(config: Any) -> Mapping[str, str]:
    """Return the fields of a config that its own choices leave aside, and the choice that does; most configs read all.

    >>> from modelheir.objective.distances import DistanceConfig
    >>> unread(DistanceConfig(loss="imitation"))["renyi"]
    "loss = 'imitation'"
    """
    return config.unread() if hasattr(config, "unread") else {}


def why_unread(config: Any, key: str, where: str = "") -> str:
    """Return the choice that leaves a setting of ``config`` aside, in words; "" where it is read.

    >>> from modelheir.objective.distances import DistanceConfig
    >>> why_unread(DistanceConfig(loss="imitation"), "renyi.alpha", "method.distance")
    "method.distance.loss = 'imitation'"
    """
    name, _, rest = key.partition(".")
    if name in (aside := unread(config)):
        return f"{where}.{aside[name]}".removeprefix(".")
    return why_unread(getattr(config, name), rest, f"{where}.{name}".removeprefix(".")) if rest else ""


def refuse_unread(config: Any, usual: Any, where: str = "") -> None:
    """Refuse the first setting that differs from its usual value and has no effect.

    Args:
        config: What was asked for.
        usual: The same kind of config, with the defaults of its method.
        where: Dotted key of ``config``.

    Raises:
        InputError: Names the setting and the choice that leaves it aside.
    """
    aside, prefix = unread(config), f"{where}." if where else ""
    for field in dataclasses.fields(config):
        ours, theirs = getattr(config, field.name), getattr(usual, field.name)
        key = f"{prefix}{field.name}"
        if field.name in aside and ours != theirs:
            name, value = _first(ours, theirs, key)
            raise InputError(f"{name} = {value!r} has no effect with {prefix}{aside[field.name]}: leave it out.")
        if field.name not in aside and dataclasses.is_dataclass(ours):
            refuse_unread(ours, theirs, key)


def _first(ours: Any, theirs: Any, key: str) -> tuple[str, Any]:
    """Return the first setting that differs, with its value."""
    if not dataclasses.is_dataclass(ours):
        return key, ours
    for field in dataclasses.fields(ours):
        pair = getattr(ours, field.name), getattr(theirs, field.name)
        if pair[0] != pair[1]:
            return _first(*pair, f"{key}.{field.name}")
    return key, ours
