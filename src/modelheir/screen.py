"""Tables and rates on the terminal; plain text where there is none."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import IO, Any

from modelheir.printable import printable

__all__ = [
    "PatientStream", "line_width", "paragraph", "percent", "say", "show_result", "show_table", "speaks", "table_text",
]  # fmt: skip


class PatientStream:
    """A stream that goes nowhere once its reader (head, a pager) has left, so that the command still ends as it should.

    A release that is held is then code 1 whoever reads along, and training is finished.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or do nothing where nobody reads."""
        try:
            return self._stream.write(text)
        except UnicodeEncodeError as error:  # a terminal that knows fewer letters
            return self._stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        except BrokenPipeError:
            self._leave()
            return len(text)

    def flush(self) -> None:
        """Flush, or do nothing where nobody reads."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._leave()

    def _leave(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def speaks() -> bool:
    """Tell whether this process is the one that prints and writes; launchers number the processes in ``RANK``."""
    return os.environ.get("RANK", "0") == "0"


def say(*lines: str, error: bool = False) -> None:
    """Print lines, each made :func:`~modelheir.printable.printable`; the one way of every command to the terminal.

    Args:
        lines: A line feed within one is written out, so that no name can pass for a line of ours. None prints an
            empty line.
        error: Print to standard error.
    """
    for line in lines or ("",):
        print(printable(line), file=sys.stderr if error else sys.stdout, flush=error)


def line_width() -> int:
    """Return how wide text may run: the terminal from 60 to 110 columns, 110 where there is none."""
    return min(max(shutil.get_terminal_size((110, 24)).columns, 60), 110)


def paragraph(text: str, *, first: str = "", rest: str = "") -> str:
    """Break ``text`` into lines of :func:`line_width`, never inside a word.

    Args:
        text: Any white space in it counts as one space.
        first: Put before the first line.
        rest: Put before every further line.
    """
    return textwrap.fill(
        " ".join(text.split()),
        line_width(),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def percent(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Write a fraction as percent, with its interval where there is one.

    >>> percent(0.018, [0.014, 0.022])
    '1.80% [1.40, 2.20]'
    >>> percent(None)
    '-'
    """
    if value is None:
        return "-"
    bounds = f" [{100 * interval[0]:.2f}, {100 * interval[1]:.2f}]" if interval else ""
    return f"{100 * value:.2f}%{bounds}"


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; columns after the first are numbers and stand to the right unless their name ends with a space."""
    print(table_text(title, columns, rows))


def table_text(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return what :func:`show_table` prints."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)) if title else None, title_justify="left", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        left = number == 0 or column.endswith(" ")
        table.add_column(Text(printable(column.strip())), justify="left" if left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    console = Console()
    if not console.is_terminal:  # a pipe or a file: nothing to wrap for
        console.width = 200
    with console.capture() as held:
        console.print(table)
    return "\n".join(line.rstrip() for line in held.get().splitlines())


def show_result(title: str, result: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a run's ``result.json``."""
    rows = []
    for name, row in result.items():
        if "value" not in row:  # numbers for pictures alone
            continue
        value = row.get("value")
        fraction = row.get("unit") == "fraction"
        shown = percent(value, row.get("interval")) if fraction else ("-" if value is None else f"{value:.4f}")
        unit = "" if fraction else str(row.get("unit", ""))
        rows.append([name, shown, unit, str(row.get("count", ""))])
    show_table(title, ["result", "value", "unit ", "images"], rows)
