"""Where features are taken from a network, as settings say it: the path of a module, its output or its input.

No module is looked up here, so that a mistake of writing is found before a network is built.
"""

from __future__ import annotations

import dataclasses
import re

from modelheir.checks import InputError, nearest

__all__ = ["FEATURES", "Tap", "parse_pair", "parse_tap"]

FEATURES = "features"  #: the word for the input of the classifier layer, whatever the architecture

_SIDES = ("in", "out")


@dataclasses.dataclass(frozen=True)
class Tap:
    """One place in a network."""

    path: str  #: of the module, names with dots between; or the word ``features``
    inputs: bool = False  #: the module's input instead of its output

    def __str__(self) -> str:
        return f"{self.path}:in" if self.inputs else self.path


def parse_tap(text: str) -> Tap:
    """Read one place in a network.

    Args:
        text: A module's path as ``named_modules`` gives it, items of lists also in brackets; ``:in`` behind it is the
            module's input. Or ``features``, the input of the classifier layer.

    Raises:
        InputError: If this is no path.

    Example:
        >>> parse_tap("body.layer3")
        Tap(path='body.layer3', inputs=False)
        >>> str(parse_tap("blocks[7][0].conv:in"))
        'blocks.7.0.conv:in'
    """
    written, colon, side = text.strip().partition(":")
    if colon and side not in _SIDES:
        raise InputError(
            f"tap {text!r}: behind the colon stands in, for the module's input, or out.{nearest(side, _SIDES)}"
        )
    path = re.sub(r"(?<=[^.\[])\[(\d+)\](?=[.\[]|$)", r".\1", written)
    if not re.fullmatch(r"[^\s.\[\]=,:]+(\.[^\s.\[\]=,:]+)*", path):
        raise InputError(f"tap {text!r} is no path of a module: write it as body.layer3 or body.blocks[7].conv.")
    if path == FEATURES and side == "in":
        raise InputError(f"tap {text!r}: features are what the classifier layer reads already; leave :in out.")
    return Tap(path, inputs=side == "in")


def parse_pair(text: str) -> tuple[Tap, Tap]:
    """Read the places in student and teacher that belong together: ``STUDENT=TEACHER``, or one path for both.

    Raises:
        InputError: If a side is no path, or there are more than two.

    Example:
        >>> [str(one) for one in parse_pair("body.blocks[2]=body.layer3")]
        ['body.blocks.2', 'body.layer3']
        >>> [str(one) for one in parse_pair("features")]
        ['features', 'features']
    """
    sides = text.split("=")
    if len(sides) > 2:
        raise InputError(f"pair of taps {text!r}: write STUDENT=TEACHER, or one path for both.")
    return parse_tap(sides[0]), parse_tap(sides[-1])
