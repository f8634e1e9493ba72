"""The map of one method: what it is for, its paper, its files, and every setting with limits and default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelheir.checks import InputError, unknown
from modelheir.screen import say

if TYPE_CHECKING:
    from modelheir.methods import Method

__all__ = ["main"]


def main(argv: list[str], methods: Mapping[str, Method] | None = None) -> int:
    """Print the map of the method that ``argv`` names."""
    if {"-h", "--help"} & set(argv):
        say("usage: modelheir explain METHOD", "", "Tell what a method is for, its paper, files and settings.")
        return 0
    if methods is None:
        from modelheir.methods import METHODS

        methods = METHODS
    if not argv:
        raise InputError(f"METHOD is missing: modelheir explain METHOD. Known: {', '.join(methods)}.")
    if len(argv) > 1:
        raise InputError(f"unexpected {argv[1]!r}: one method at a time.")
    if argv[0] not in methods:
        raise unknown("method", argv[0], methods)
    from modelheir.assemble.explain import explain_text

    say(*explain_text(methods[argv[0]]).split("\n"))
    return 0
