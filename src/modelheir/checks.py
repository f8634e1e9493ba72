"""Checks whose errors are sentences: what is wrong, where, and what to do.

Works on anything with ``shape`` (NumPy arrays, torch tensors) and imports neither. Limits are data: a limit in
``Annotated[float, AtLeast(0)]`` feeds :func:`validate`, the tables of ``modelheir explain`` and the bad-value tests.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = [
    "Above",
    "AtLeast",
    "InRange",
    "InputError",
    "Limit",
    "OneOf",
    "above",
    "at_least",
    "in_range",
    "limits",
    "logits_and_labels",
    "nearest",
    "one_of",
    "same_length",
    "same_shape",
    "two_dimensional",
    "unknown",
    "validate",
]


class InputError(ValueError):
    """A mistake in what the user gave. The command line prints it as one sentence and exits with code 2."""


@dataclasses.dataclass(frozen=True)
class AtLeast:
    """Values ``>= low``."""

    low: float

    def __str__(self) -> str:
        return f">= {self.low:g}"

    def holds(self, value: Any) -> bool:
        """Tell whether ``value`` is within the limit."""
        return value >= self.low


@dataclasses.dataclass(frozen=True)
class Above:
    """Values ``> low``."""

    low: float

    def __str__(self) -> str:
        return f"> {self.low:g}"

    def holds(self, value: Any) -> bool:
        """Tell whether ``value`` is within the limit."""
        return value > self.low


@dataclasses.dataclass(frozen=True)
class InRange:
    """Values from ``low`` to ``high``, both included."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"from {self.low:g} to {self.high:g}"

    def holds(self, value: Any) -> bool:
        """Tell whether ``value`` is within the limit."""
        return self.low <= value <= self.high


@dataclasses.dataclass(frozen=True, init=False)
class OneOf:
    """One of a fixed set of words."""

    words: tuple[str, ...]
    called: tuple[tuple[str, str], ...]  #: what others call a word, in small letters, and the word

    def __init__(self, *words: str, called: Mapping[str, str] | None = None) -> None:
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "called", tuple((called or {}).items()))

    def __str__(self) -> str:
        return "one of " + ", ".join(self.words)

    def holds(self, value: Any) -> bool:
        """Tell whether ``value`` is within the limit."""
        return value in self.words

    def meant(self, word: str) -> str:
        """Return " Did you mean ...?" with the word that others call so, or the nearest one; or an empty string.

        >>> OneOf("relational", "review", called={"rkd": "relational"}).meant("RKD")
        " Did you mean 'relational'?"
        """
        other = dict(self.called).get(word.lower())
        return f" Did you mean {other!r}?" if other in self.words else nearest(word, self.words)


Limit = AtLeast | Above | InRange | OneOf


def same_shape(**arrays: Any) -> None:
    """Raise ``ValueError`` unless all named arrays have one shape."""
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError("shapes must be equal: " + ", ".join(f"{name} is {shape}" for name, shape in shapes.items()))


def same_length(**arrays: Any) -> None:
    """Raise ``ValueError`` unless all named arrays have the same first dimension."""
    sizes = {name: int(array.shape[0]) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError("lengths must be equal: " + ", ".join(f"{name} has {size}" for name, size in sizes.items()))


def two_dimensional(**arrays: Any) -> None:
    """Raise ``ValueError`` unless every named array has shape ``(N, C)``."""
    for name, array in arrays.items():
        if len(array.shape) != 2:
            raise ValueError(f"{name} must have two dimensions (N, C), got shape {tuple(array.shape)}")


def logits_and_labels(logits: Any, labels: Any) -> None:
    """Raise ``ValueError`` unless ``logits`` is ``(N, C)`` and ``labels`` is ``(N,)`` with the same ``N``."""
    two_dimensional(logits=logits)
    if tuple(labels.shape) != (logits.shape[0],):
        raise ValueError(f"labels must have shape ({logits.shape[0]},) to match logits, got {tuple(labels.shape)}")


def _require(limit: Limit, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if (isinstance(value, float) and math.isnan(value)) or not limit.holds(value):
            raise ValueError(f"{name} must be {limit}, got {value!r}")


def at_least(low: float, **values: float) -> None:
    """Raise ``ValueError`` unless every named value is ``>= low``."""
    _require(AtLeast(low), values)


def above(low: float, **values: float) -> None:
    """Raise ``ValueError`` unless every named value is ``> low``."""
    _require(Above(low), values)


def in_range(low: float, high: float, **values: float) -> None:
    """Raise ``ValueError`` unless every named value lies from ``low`` to ``high``, both included."""
    _require(InRange(low, high), values)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" with the nearest known word, or an empty string.

    >>> nearest("lerning_rate", ["learning_rate", "epochs"])
    " Did you mean 'learning_rate'?"
    """
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {match[0]!r}?" if match else ""


def unknown(kind: str, word: str, known: Iterable[str]) -> InputError:
    """Make the error for a word that is none of ``known``, with the nearest spelling."""
    words = list(known)
    return InputError(f"unknown {kind} {word!r}.{nearest(word, words)} Known: {', '.join(words) or 'none'}.")


def one_of(known: Iterable[str], **values: str) -> None:
    """Raise :class:`InputError` unless every named value is one of ``known``; offers the nearest spelling."""
    words = list(known)
    for name, value in values.items():
        if value not in words:
            raise unknown(name, value, words)


def limits(config: type[Any]) -> Iterator[tuple[str, Any, Limit | None]]:
    """Yield ``(name, type, limit)`` for every field of a config dataclass."""
    hints = typing.get_type_hints(config, include_extras=True)
    for field in dataclasses.fields(config):
        hint = hints[field.name]
        found: Limit | None = None
        for part in (hint, *typing.get_args(hint)):
            found = next((m for m in getattr(part, "__metadata__", ()) if isinstance(m, Limit)), found)
        yield field.name, hint, found


def validate(config: Any, where: str = "") -> None:
    """Check every limited field of a config dataclass, nested ones too.

    Raises:
        InputError: Names the dotted key, the value, and what is allowed.
    """
    for name, _, limit in limits(type(config)):
        key, value = f"{where}.{name}" if where else name, getattr(config, name)
        if dataclasses.is_dataclass(value):
            validate(value, key)
        elif limit is not None and value is not None:
            several = value.values() if isinstance(value, Mapping) else value
            for one in several if isinstance(value, Mapping | tuple | list) else (value,):
                if (isinstance(one, float) and not math.isfinite(one)) or not limit.holds(one):
                    near = limit.meant(one) if isinstance(limit, OneOf) and isinstance(one, str) else ""
                    raise InputError(f"{key} = {one!r}: must be {limit}.{near}")
