"""``bench summarize``: the tables of what the cells of a benchmark say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from modelheir.analysis.arms import over_seeds
from modelheir.bench import rows, tables
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
    path = Path(config.csv) if config.csv else out / "summary.csv"
    columns = [field.name for field in dataclasses.fields(rows.Row) if field.name != "steps"]
    write_text(path, to_csv([dataclasses.asdict(row) for row in found], columns))
    written = [path]
    if at_steps := tables.step_rows(found):
        written.append(out / "steps.csv")
        write_text(written[-1], to_csv(at_steps, list(at_steps[0])))
    for sequence in dict.fromkeys(row.sequence for row in found):
        own = [row for row in found if row.sequence == sequence]
        networks = list(dict.fromkeys(row.architecture for row in own))
        table = [
            [
                name,
                *(_cell([row for row in own if row.strategy == name and row.architecture == net]) for net in networks),
            ]
            for name in dict.fromkeys(row.strategy for row in own)
        ]
        show_table(f"{sequence}: newest reporting images right, mean over seeds", ["strategy", *networks], table)
    missing = {(row.sequence, row.architecture, row.seed) for row in found if row.state != "finished"}
    if missing:
        say(f"{len(missing)} cells are not finished; a mean with (n) is of so many seeds alone.")
    made = tables.write_tables(out / "tables", tables.sequence_tables(found).items())
    say(f"Rows: {', '.join(map(str, written))}", f"Tables as Markdown, LaTeX and CSV: {', '.join(map(str, made))}")
    return 0


def _cell(found: Sequence[rows.Row]) -> str:
    """Write the mean over seeds with its interval, and how many seeds there are where some are missing."""
    values = [row.accuracy for row in found if row.accuracy is not None]
    if not values:
        return found[0].state if found else ""
    mean, interval = over_seeds(values, within=(0, 1))
    return percent(mean, interval) + (f" ({len(values)})" if len(values) < len(found) else "")
