"""Which method for which situation: the table of methods."""

from __future__ import annotations

from modelheir.checks import InputError
from modelheir.methods import METHODS
from modelheir.screen import say, show_table

__all__ = ["main"]


def main(argv: list[str]) -> int:
    """Print the table."""
    if {"-h", "--help"} & set(argv):
        say("usage: modelheir methods", "", "Print which method suits which situation.")
        return 0
    if argv:
        raise InputError(f"unexpected {argv[0]!r}: `modelheir explain {argv[0]}` tells about one method.")
    rows = [
        [method.situation, method.name, "yes" if method.needs_old else "no", method.summary]
        for method in METHODS.values()
    ]
    show_table("", ["you have", "train ", "needs --old ", "what it does "], rows)
    say("`modelheir explain METHOD` tells more; `modelheir train METHOD --help` lists its settings.")
    return 0
