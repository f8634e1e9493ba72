"""The tables of a benchmark: a row a network and a column a strategy, by the short names of the published tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from modelheir.analysis.sequences.cells import MethodTable
from modelheir.analysis.sequences.method_table import method_table
from modelheir.analysis.sequences.results import PUBLISHED, Column, Result
from modelheir.bench.rows import Row
from modelheir.report.method_table import as_csv, as_latex, as_markdown
from modelheir.runs.files import write_text

__all__ = ["sequence_tables", "write_tables"]

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
    strategies = list(dict.fromkeys(row.strategy for row in rows))
    named = {name: _COLUMNS.get(name, name) for name in strategies}
    published = [column for column in PUBLISHED if any(column.takes(name) for name in named.values())]
    published = [dataclasses.replace(one, name=_SIZES.get(one.name, one.name)) for one in published]
    others = [name for name in named.values() if not any(column.takes(name) for column in published)]
    columns = (*published, *(Column(name, half=1) for name in others))
    networks = {row.architecture: row.architecture for row in rows}
    found = {}
    for sequence in dict.fromkeys(row.sequence for row in rows):
        results = [_result(row, named[row.strategy]) for row in rows if row.sequence == sequence]
        found[sequence] = method_table(results, networks, columns=columns)
    return found


def _result(row: Row, method: str) -> Result:
    failed = "" if row.accuracy is not None else row.state
    return Result(row.architecture, method, row.sequence, row.seed, row.accuracy, row.selection, failed)


def write_tables(folder: Path, tables: Iterable[tuple[str, MethodTable]]) -> list[Path]:
    """Write each table as Markdown, LaTeX and comma-separated values; return the Markdown files."""
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    for sequence, table in tables:
        wide = dataclasses.replace(table, name="Network")
        write_text(folder / f"{sequence}.md", as_markdown(wide))
        write_text(folder / f"{sequence}.tex", as_latex(wide))
        write_text(folder / f"{sequence}.csv", as_csv(wide))
        made.append(folder / f"{sequence}.md")
    return made
