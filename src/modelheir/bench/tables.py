"""The tables of a benchmark: a row a network, or a length of the sequence, and a column a strategy.

Columns have the short names of the published tables where these have them.
"""

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
from modelheir.checks import InputError
from modelheir.report.method_table import as_csv, as_latex, as_markdown
from modelheir.runs.files import write_text

__all__ = ["length_tables", "sequence_tables", "step_rows", "write_tables"]

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
    columns = _columns(rows)
    networks = {row.architecture: row.architecture for row in rows}
    found = {}
    for sequence in dict.fromkeys(_plain(row) for row in rows):
        results = [_result(row) for row in rows if _plain(row) == sequence]
        found[sequence] = dataclasses.replace(method_table(results, networks, columns=columns), name="Network")
    return found


def length_tables(rows: Sequence[Row]) -> dict[str, MethodTable]:
    """Return a table for each network, a row a sequence by its number of steps; columns as :func:`sequence_tables`.

    Args:
        rows: As :func:`modelheir.bench.rows.read_rows` returns them.

    Raises:
        InputError: If a sequence does not say how many steps it has.
    """
    columns = _columns(rows)
    steps = {_plain(row): row.steps for row in rows}
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
        results = [_result(row) for row in rows if row.architecture == network]
        found[network] = method_table(results, held, by="sequence", columns=columns, name="Steps")
    return found


def _columns(rows: Sequence[Row]) -> tuple[Column, ...]:
    """Return the columns in order."""
    names = list(dict.fromkeys(map(_method, rows)))
    published = [column for column in PUBLISHED if any(column.takes(name) for name in names)]
    published = [dataclasses.replace(one, name=_SIZES.get(one.name, one.name)) for one in published]
    others = [name for name in names if not any(column.takes(name) for column in published)]
    return *published, *(Column(name, half=1) for name in others)


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
        if row.at_steps
        for number, (name, images, accuracy) in enumerate(
            zip(row.at_steps["names"], row.at_steps["images"], row.at_steps["accuracy"][-1], strict=True)
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
    for name, table in tables:
        write_text(folder / f"{name}.md", as_markdown(table))
        write_text(folder / f"{name}.tex", as_latex(table))
        write_text(folder / f"{name}_deviations.tex", as_latex(table, spread="std"))
        write_text(folder / f"{name}.csv", as_csv(table))
        made.append(folder / f"{name}.md")
    return made
