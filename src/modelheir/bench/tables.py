"""The tables of a benchmark: a row a network, or a length of the sequence, and a column a strategy.

Columns have the short names of the published tables where these have them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from modelheir.analysis.sequences.cells import MethodTable
from modelheir.analysis.sequences.method_table import method_table
from modelheir.analysis.sequences.results import PUBLISHED, Column, Result
from modelheir.bench.rows import Row
from modelheir.checks import InputError
from modelheir.report.method_table import as_csv, as_latex, as_markdown
from modelheir.runs.files import write_text

__all__ = ["length_tables", "sequence_tables", "write_tables"]

#: strategies whose column has another name for them
_COLUMNS = {
    "linear_probe_fine_tune": "LP-FT",
    "sequential_ewc": "EWC",
    "joint_model": "JM",
    "joint_side_tune": "JST-1",
}
_SIZES = {"4k": "Final", "20k": "Oracle"}  #: columns that the published tables call by the size of the newest step


def sequence_tables(rows: Sequence[Row]) -> dict[str, MethodTable]:
    """Return a table for each sequence; the columns of the published tables first, then strategies they have not.

    Args:
        rows: As :func:`modelheir.bench.rows.read_rows` returns them; cells that are not finished are shown as such.
    """
    named, columns = _columns(rows)
    networks = {row.architecture: row.architecture for row in rows}
    found = {}
    for sequence in dict.fromkeys(row.sequence for row in rows):
        results = [_result(row, named[row.strategy]) for row in rows if row.sequence == sequence]
        found[sequence] = dataclasses.replace(method_table(results, networks, columns=columns), name="Network")
    return found


def length_tables(rows: Sequence[Row]) -> dict[str, MethodTable]:
    """Return a table for each network, a row a sequence by its number of steps; columns as :func:`sequence_tables`.

    Args:
        rows: As :func:`modelheir.bench.rows.read_rows` returns them.

    Raises:
        InputError: If a sequence does not say how many steps it has.
    """
    named, columns = _columns(rows)
    steps = {row.sequence: row.steps for row in rows}
    for sequence, count in steps.items():
        if not count:
            raise InputError(
                f"sequence {sequence} does not say how many steps it has: give it method.steps in the suite, or leave "
                "out --by length."
            )
    lengths = list(steps.values())
    held = {
        str(count) if lengths.count(count) == 1 else f"{count} ({sequence})": sequence
        for sequence, count in sorted(steps.items(), key=lambda pair: pair[1])
    }
    found = {}
    for network in dict.fromkeys(row.architecture for row in rows):
        results = [_result(row, named[row.strategy]) for row in rows if row.architecture == network]
        found[network] = method_table(results, held, by="sequence", columns=columns, name="Steps")
    return found


def _columns(rows: Sequence[Row]) -> tuple[dict[str, str], tuple[Column, ...]]:
    """Return what each strategy is called, and the columns in order."""
    strategies = list(dict.fromkeys(row.strategy for row in rows))
    named = {name: _COLUMNS.get(name, name) for name in strategies}
    published = [column for column in PUBLISHED if any(column.takes(name) for name in named.values())]
    published = [dataclasses.replace(one, name=_SIZES.get(one.name, one.name)) for one in published]
    others = [name for name in named.values() if not any(column.takes(name) for column in published)]
    return named, (*published, *(Column(name, half=1) for name in others))


def _result(row: Row, method: str) -> Result:
    failed = "" if row.accuracy is not None else row.state
    return Result(row.architecture, method, row.sequence, row.seed, row.accuracy, row.selection, failed)


def write_tables(folder: Path, tables: Iterable[tuple[str, MethodTable]]) -> list[Path]:
    """Write each table by its name as Markdown, LaTeX and comma-separated values; return the Markdown files."""
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables:
        write_text(folder / f"{name}.md", as_markdown(table))
        write_text(folder / f"{name}.tex", as_latex(table))
        write_text(folder / f"{name}.csv", as_csv(table))
        made.append(folder / f"{name}.md")
    return made
