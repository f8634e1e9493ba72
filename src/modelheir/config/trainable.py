"""What of a network trains, as ``--trainable`` says it: parts by name, and what the rest of it moves through."""

from __future__ import annotations

import dataclasses
import re

from modelheir.checks import InputError, nearest

__all__ = ["Trainable", "parse_trainable"]

_WORDS = ("all", "head", "linear", "stage", "low_rank", "plane")
_SIZED = {"low_rank": "low_rank:8, the rank", "plane": "plane:16, the number of coordinates"}


@dataclasses.dataclass(frozen=True)
class Trainable:
    """A choice that was read."""

    parts: tuple[str, ...]  #: all, head, linear, stage:N, and patterns of parameter names
    through: str = ""  #: how everything else moves: low_rank, plane, or "" for not at all
    size: int = 0  #: rank or coordinates


def parse_trainable(text: str) -> Trainable:
    """Read a choice of what trains: pieces with commas between.

    Args:
        text: ``all``; or any of ``head`` (classifier layers), ``linear`` (linear layers, the classifier among them),
            ``stage:N`` (from 0 at the stem; -1 is the head), a stage by its name (``conv1``, ``layer1``, ..., ``fc``),
            a parameter's or a module's name, or a pattern of names with ``*`` and ``?``; and at most one of
            ``low_rank:R`` and ``plane:D``.

    Raises:
        InputError: Names the piece that says nothing.

    Example:
        >>> parse_trainable("head, body.blocks.2")
        Trainable(parts=('head', 'body.blocks.2'), through='', size=0)
        >>> parse_trainable("low_rank:8,head")
        Trainable(parts=('head',), through='low_rank', size=8)
    """
    pieces = [piece.strip() for piece in text.split(",")]
    parts: list[str] = []
    through, size = "", 0
    for piece in pieces:
        word, colon, number = piece.partition(":")
        if word in _SIZED:
            if not re.fullmatch(r"0*[1-9]\d{0,8}", number):
                raise InputError(f"trainable = {text!r}: {piece!r} needs a number from 1, such as {_SIZED[word]}.")
            if through:
                raise InputError(f"trainable = {text!r}: give one of {' and '.join(_SIZED)}, once.")
            through, size = word, int(number)
        elif not piece:
            raise InputError(f"trainable = {text!r} has an empty piece: give all, or parts with commas between.")
        elif (colon or word == "stage") and not re.fullmatch(r"stage:-?\d{1,9}", piece):
            near = nearest(word, _WORDS) if word not in _WORDS else ""
            raise InputError(
                f"trainable = {text!r}: {piece!r} is no part.{near} Known: all, head, linear, "
                "stage:N, names and patterns of parameters, low_rank:R, plane:D."
            )
        else:
            parts.append(piece)
    if "all" in parts and len(pieces) > 1:
        raise InputError(f"trainable = {text!r}: all leaves nothing for another piece to say; leave one of them out.")
    return Trainable(tuple(parts), through, size)
