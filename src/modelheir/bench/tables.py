"""The tables of a benchmark: a row a network and a column a strategy, by the short names of the published tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from modelheir.analysis.sequences.cells import MethodTable
from modelheir.analysis.sequences.method_table import method_table
from modelheir.analysis.sequences.results import PUBLISHED, Column, Result
from modelheir.bench.rows import Row
from modelheir.bench.suite import ORACLE
from modelheir.report.method_table import as_csv, as_latex, as_markdown
from modelheir.runs.files import write_text

__all__ = ["sequence_tables", "step_rows", "write_tables"]

#: strategies whose column has another name for them
_COLUMNS = {
    "linear_probe_fine_tune": "LP-FT",
    "sequential_ewc": "EWC",
    "joint_model": "JM",
    "joint_side_tune": "JST-1",
}
_ORACLE = "erm_final_20000_samples"  #: how the published columns call the oracle's strategy
_SIZES = {"4k": "Final", "20k": "Oracle"}  #: columns that the published tables call by the size of the newest step


def sequence_tables(rows: Sequence[Row]) -> dict[str, MethodTable]:
    """Return a table for each sequence; the columns of the published tables first, then strategies they have not.

    Args:
        rows: As :func:`modelheir.bench.rows.read_rows` returns them; cells that are not finished are shown as such.
    """
    named = {(row.sequence, row.strategy): _method(row) for row in rows}
    published = [column for column in PUBLISHED if any(column.takes(name) for name in named.values())]
    published = [dataclasses.replace(one, name=_SIZES.get(one.name, one.name)) for one in published]
    others = [name for name in named.values() if not any(column.takes(name) for column in published)]
    columns = (*published, *(Column(name, half=1) for name in others))
    networks = {row.architecture: row.architecture for row in rows}
    found = {}
    for sequence in dict.fromkeys(_plain(row) for row in rows):
        results = [_result(row) for row in rows if _plain(row) == sequence]
        found[sequence] = method_table(results, networks, columns=columns)
    return found


def _plain(row: Row) -> str:
    """Return the sequence in whose table a row stands: an oracle's is that of the others."""
    return row.sequence.removesuffix(ORACLE) if row.strategy == "erm_final" else row.sequence


def _method(row: Row) -> str:
    return _ORACLE if _plain(row) != row.sequence else _COLUMNS.get(row.strategy, row.strategy)


def _result(row: Row) -> Result:
    failed = "" if row.accuracy is not None else row.state
    return Result(row.architecture, _method(row), _plain(row), row.seed, row.accuracy, row.selection, failed)


def step_rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return a row for each step at which a strategy's last model was tested: ``time_step`` from 0, the oldest."""
    return [
        {
            **{name: getattr(row, name) for name in ("sequence", "architecture", "seed", "strategy")},
            **{"time_step": number, "name": name, "images": images, "accuracy": accuracy},
        }
        for row in rows
        if row.steps
        for number, (name, images, accuracy) in enumerate(
            zip(row.steps["names"], row.steps["images"], row.steps["accuracy"][-1], strict=True)
        )
        if images
    ]


def write_tables(folder: Path, tables: Iterable[tuple[str, MethodTable]]) -> list[Path]:
    """Write each table as Markdown, LaTeX (with means over rows, and with deviations over seeds) and CSV.

    Returns:
        The Markdown files.
    """
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    for sequence, table in tables:
        wide = dataclasses.replace(table, name="Network")
        write_text(folder / f"{sequence}.md", as_markdown(wide))
        write_text(folder / f"{sequence}.tex", as_latex(wide))
        write_text(folder / f"{sequence}_deviations.tex", as_latex(wide, spread="std"))
        write_text(folder / f"{sequence}.csv", as_csv(wide))
        made.append(folder / f"{sequence}.md")
    return made
