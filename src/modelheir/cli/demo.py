"""The whole story in minutes: a first digit classifier, its next versions, and what they break."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

from modelheir import assemble
from modelheir.checks import AtLeast, InRange
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.screen import percent, say, show_table

__all__ = ["DemoConfig", "main"]


@dataclasses.dataclass(frozen=True)
class DemoConfig:
    """Settings of ``demo``."""

    out: str = "runs/demo"  #: folder of the runs and of report.html
    seeds: Annotated[int, AtLeast(1)] = 3  #: paired repetitions, seeds 0, 1, ...
    max_nfr: Annotated[float, InRange(0, 1)] = 0.02  #: the gate: largest negative flip rate, a fraction
    quiet: bool = False  #: say nothing until the table


SPEC = Spec(
    command="demo",
    about="Train a first digit classifier on part of the data, then second versions in several ways, and judge them.",
    configs={"": DemoConfig},
    epilog="Run again, it takes finished runs as they are.",
)


def main(argv: list[str]) -> int:
    """Run the demonstration; print the table and where the page is."""
    config = parse(SPEC, argv).configs[""]

    def watch(arm: str, seed: int, done: int, total: int) -> None:
        if not config.quiet:
            say(f"[{done + 1}/{total}] seed {seed}: {arm}", error=True)

    command = ["modelheir", "demo", *argv]
    rows, page = assemble.demo.demo(
        config.out, seeds=range(config.seeds), max_nfr=config.max_nfr, watch=watch, command=command
    )
    _show(rows)
    say(f"Report: {page}")
    return 0


def _show(rows: Sequence[dict[str, Any]]) -> None:
    seeds = len(rows[0]["seeds"])
    table = [
        [
            row["name"],
            percent(row["error"], row.get("error_interval")),
            percent(row["nfr"], row.get("nfr_interval")),
            percent(row["relative_nfr"], row.get("relative_nfr_interval")),
            f"{row['gate']['verdict']} ({row['gate']['seeds_passed']} of {seeds} seeds ship)",
        ]
        for row in rows
    ]
    known = percent(rows[0]["error_old"])
    title = f"Version 2 on {rows[0]['n']:,} test images, {seeds} seeds; version 1 errs on {known}"
    show_table(title, ["method", "error", "NFR", "relative NFR", "gate "], table)
    say("NFR: share of images that version 1 had right and version 2 has wrong. Intervals are 95 % over seeds.")
