"""Benchmarks: run a suite cell by cell; its other parts are files beside this one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from modelheir.bench import running, suite
from modelheir.checks import AtLeast, InputError, unknown
from modelheir.cli.benching import shifts, summarize
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.engine.progress import clock
from modelheir.extras import need_train
from modelheir.screen import say
from modelheir.shard import parse_shard

__all__ = ["RunConfig", "main"]


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Settings of ``bench run``."""

    suite: str = "quick"  #: quick, published, compat, or a YAML file of what is crossed and settings of train adapt
    out: str = "runs/bench"  #: folder of the results; the same command again goes on
    workers: Annotated[int, AtLeast(1)] = 1  #: cells at a time; give each its share of the CPU (fit.threads)
    shard: str = ""  #: i/n: this process's part of the cells, where several share OUT (a Slurm array)
    quiet: bool = False  #: show no progress


SPEC = Spec(
    command="bench run",
    about="Run a benchmark cell by cell: every sequence with every network and seed, all strategies in each.",
    configs={"": RunConfig},
    words="BENCHMARK",
    epilog=(
        "A cell is a run folder OUT/cells/SEQUENCE/ARCHITECTURE/seedN. What is finished is kept, what was stopped\n"
        "goes on. On many machines: --shard 1/16 ... --shard 16/16 with one OUT. Then: modelheir bench summarize OUT"
    ),
)

BENCHMARKS = ("seq-to-final",)


def main(argv: list[str]) -> int:
    """Run or summarise a benchmark."""
    word = argv[0] if argv else "--help"
    if word in ("-h", "--help"):
        say(
            "usage: modelheir bench run seq-to-final [--suite quick] [--out DIR]",
            "       modelheir bench summarize DIR",
            "       modelheir bench shifts --data sequence:FILE | --suite quick",
            "",
            "Which way to use a past helps the newest data: ways, networks and seeds crossed on sequences of data.",
            "`modelheir bench run --help` tells more; `modelheir plot` draws what the ways do to the networks.",
        )
        return 0
    if word not in _PARTS:
        raise unknown("part of bench", word, _PARTS)
    return _PARTS[word](argv[1:])


def _run(argv: list[str]) -> int:
    said = parse(SPEC, argv)
    if said.words[0] not in BENCHMARKS:
        raise unknown("benchmark", said.words[0], BENCHMARKS)
    config: RunConfig = said.configs[""]
    shard = parse_shard(config.shard)
    cells = suite.read_suite(config.suite)
    out = Path(config.out)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file: give a folder.")
    need_train("a benchmark")
    mine = [cells[row] for row in shard.rows(len(cells))]
    if not config.quiet:
        of = f", shard {shard}" if shard.of > 1 else ""
        say(f"{len(mine)} cells of {config.suite}{of} in {out}", error=True)
    began = time.monotonic()

    def watch(outcome: running.Outcome, number: int, count: int) -> None:
        if config.quiet:
            return
        spent = time.monotonic() - began
        left = (
            ""
            if number == count or outcome.state == "kept"
            else f", about {clock(spent / number * (count - number))} left"
        )
        took = "" if outcome.state == "kept" else f" in {clock(outcome.seconds)}"
        why = f": {outcome.reason}" if outcome.reason else ""
        say(f"[{number}/{count}] {outcome.cell.name}: {outcome.state}{took}{left}{why}", error=True)

    found = running.run_cells(mine, out, workers=config.workers, watch=watch)
    failed = [one for one in found if one.state == "failed"]
    if failed:
        say(f"{len(failed)} of {len(found)} cells failed; the same command tries them again.")
    say(f"Next: modelheir bench summarize {out}")
    return 1 if failed else 0


_PARTS: Mapping[str, Callable[[list[str]], int]] = {
    "run": _run,
    "summarize": summarize.main,
    "shifts": shifts.main,
}
