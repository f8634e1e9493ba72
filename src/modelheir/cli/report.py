"""One page of many runs: error, negative flips against an old model, curves and provenance."""

from __future__ import annotations

from modelheir.assemble.report import ReportConfig, report_runs
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.runs.outputs import page_files
from modelheir.screen import percent, say, show_table

__all__ = ["main"]

SPEC = Spec(
    command="report",
    about="Put runs on one page: a table, the plane of error against negative flips, training curves, provenance.",
    configs={"": ReportConfig},
    words="RUN ...",
)


def main(argv: list[str]) -> int:
    """Write the page and print its table."""
    said = parse(SPEC, argv)
    config = said.configs[""]
    rows, page = report_runs(said.words, config, command=["modelheir", "report", *argv])
    against = any("old" in row for row in rows)
    table = [
        [
            row["name"] + (" (old)" if row.get("reference") else ""),
            percent(row["error"], row.get("error_interval")) if "failed" not in row else row["failed"],
            percent(row.get("nfr"), row.get("nfr_interval")),
            *([row.get("old", ""), percent(row.get("error_old"))] if against else []),
        ]
        for row in rows
    ]
    show_table("", ["run", "error", "NFR", *(["against", "its error"] if against else [])], table)
    say(*map("{}: {}".format, ("Report", "Table"), page_files(page)))
    return 0
