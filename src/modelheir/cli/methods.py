"""Which method for which situation: the table of methods."""

from __future__ import annotations

from modelheir.checks import InputError

__all__ = ["main"]


def main(argv: list[str]) -> int:
    """Print the table."""
    if {"-h", "--help"} & set(argv):
        print("usage: modelheir methods\n\nPrint which method suits which situation.")
        return 0
    if argv:
        raise InputError(f"unexpected {argv[0]!r}: `modelheir explain {argv[0]}` tells about one method.")
    from modelheir.methods import METHODS
    from modelheir.screen import show_table

    rows = [
        [method.situation, method.name, "yes" if method.needs_old else "no", method.summary]
        for method in METHODS.values()
    ]
    show_table("", ["you have", "train ", "needs --old ", "what it does "], rows)
    print("`modelheir explain METHOD` tells more; `modelheir train METHOD --help` lists its settings.")
    return 0
