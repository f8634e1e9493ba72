"""``bench summarize``: the tables of what the cells of a benchmark say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from modelheir.analysis.arms import over_seeds
from modelheir.bench import rows, tables
from modelheir.checks import OneOf
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.report.table import to_csv
from modelheir.runs.files import write_text
from modelheir.screen import percent, say, show_table

__all__ = ["SummarizeConfig", "main"]


@dataclasses.dataclass(frozen=True)
class SummarizeConfig:
    """Settings of ``bench summarize``."""

    csv: str = ""  #: file for every row; empty is OUT/summary.csv; tables go to OUT/tables
    by: Annotated[str, OneOf("network", "length")] = "network"  #: what the rows of tables are: networks, in a table a
    #: sequence; or sequences by their number of steps, in a table a network


SPEC = Spec(
    command="bench summarize",
    about="Tabulate what the cells of a benchmark say, the missing ones among them.",
    configs={"": SummarizeConfig},
    words="OUT",
)


def main(argv: list[str]) -> int:
    """Print a table a sequence and write every row."""
    said = parse(SPEC, argv)
    config: SummarizeConfig = said.configs[""]
    out = Path(said.words[0])
    found = rows.read_rows(out)
    if config.by == "length":
        made_of = {f"length_{name}": table for name, table in tables.length_tables(found).items()}
    else:
        made_of = tables.sequence_tables(found)
    path = Path(config.csv) if config.csv else out / "summary.csv"
    columns = [field.name for field in dataclasses.fields(rows.Row) if field.name != "at_steps"]
    write_text(path, to_csv([dataclasses.asdict(row) for row in found], columns))
    written = [path]
    if at_steps := tables.step_rows(found):
        written.append(out / "steps.csv")
        write_text(written[-1], to_csv(at_steps, list(at_steps[0])))
    one, other = ("sequence", "architecture") if config.by == "network" else ("architecture", "sequence")
    for title, own in _parts(found, one).items():
        own = sorted(own, key=lambda row: row.steps) if config.by == "length" else own
        columns = {
            name: name if config.by == "network" else f"{rows_of[0].steps} ({name})"
            for name, rows_of in _parts(own, other).items()
        }
        table = [
            [name, *(_cell([row for row in by_name if getattr(row, other) == column]) for column in columns)]
            for name, by_name in _parts(own, "strategy").items()
        ]
        show_table(f"{title}: newest reporting images right, mean over seeds", ["strategy", *columns.values()], table)
    missing = {(row.sequence, row.architecture, row.seed) for row in found if row.state != "finished"}
    if missing:
        say(f"{len(missing)} cells are not finished; a mean with (n) is of so many seeds alone.")
    made = tables.write_tables(out / "tables", made_of.items())
    say(f"Rows: {', '.join(map(str, written))}", f"Tables as Markdown, LaTeX and CSV: {', '.join(map(str, made))}")
    return 0


def _parts(found: Sequence[rows.Row], key: str) -> dict[str, list[rows.Row]]:
    """Return the rows of each sequence, network or strategy, in the order in which these come."""
    parts: dict[str, list[rows.Row]] = {}
    for row in found:
        parts.setdefault(getattr(row, key), []).append(row)
    return parts


def _cell(found: Sequence[rows.Row]) -> str:
    """Write the mean over seeds with its interval, and how many seeds there are where some are missing."""
    values = [row.accuracy for row in found if row.accuracy is not None]
    if not values:
        return found[0].state if found else ""
    mean, interval = over_seeds(values, within=(0, 1))
    return percent(mean, interval) + (f" ({len(values)})" if len(values) < len(found) else "")
