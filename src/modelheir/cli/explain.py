"""The map of one method: what it is for, its paper, its files, and every setting with limits and default."""

from __future__ import annotations

from collections.abc import Mapping

from modelheir import assemble
from modelheir.checks import InputError, unknown
from modelheir.methods import METHODS, Method
from modelheir.screen import say

__all__ = ["main"]


def main(argv: list[str], methods: Mapping[str, Method] | None = None) -> int:
    """Print the map of the method that ``argv`` names."""
    if {"-h", "--help"} & set(argv):
        say("usage: modelheir explain METHOD", "", "Tell what a method is for, its paper, files and settings.")
        return 0
    methods = METHODS if methods is None else methods
    if not argv:
        raise InputError(f"METHOD is missing: modelheir explain METHOD. Known: {', '.join(methods)}.")
    if len(argv) > 1:
        raise InputError(f"unexpected {argv[1]!r}: one method at a time.")
    if argv[0] not in methods:
        raise unknown("method", argv[0], methods)
    say(*assemble.explain_text(methods[argv[0]]).split("\n"))
    return 0
