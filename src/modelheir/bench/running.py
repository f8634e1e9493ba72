"""Run the cells of a suite, each a process of its own, and go on where a call before was stopped.

A cell's run folder is the record: a finished one is left alone, one that was interrupted resumes, one that failed is
begun again. Any number of processes or machines may share the folder, each with a shard of the cells.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from modelheir.assemble.same_run import first_difference
from modelheir.bench.suite import METHOD, Cell
from modelheir.checks import InputError
from modelheir.config.mapping import read_yaml
from modelheir.printable import printable
from modelheir.runs.files import to_json, write_text
from modelheir.runs.folder import RunFolder

__all__ = ["FIRST_SEED", "Outcome", "cell_file", "cell_run", "run_cells"]


FIRST_SEED = 1007  #: of the images of seed 0, the benchmark's own


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a cell."""

    cell: Cell
    state: str  #: ``finished`` now, ``kept`` from before, or ``failed``
    seconds: float = 0.0
    reason: str = ""  #: why it failed: its last line


def cell_run(out: Path, cell: Cell) -> RunFolder:
    """Return the run folder of a cell."""
    return RunFolder(out / "cells" / cell.name)


def cell_file(out: Path, cell: Cell) -> Path:
    """Return the file with a cell's settings, which ``modelheir train adapt --config`` reads."""
    return out / "cells" / f"{cell.name}.yaml"


def run_cells(
    cells: Sequence[Cell], out: Path, *, workers: int = 1, watch: Callable[[Outcome, int, int], None] | None = None
) -> list[Outcome]:
    """Train every cell that is not finished.

    Args:
        cells: That this process is to see to.
        out: Folder of the suite.
        workers: Processes at a time, ``>= 1``.
        watch: Takes each outcome as it comes, how many there are so far, and how many there will be.

    Returns:
        The outcomes, in the order of ``cells``.

    Raises:
        InputError: If a cell's folder holds a run with other settings; then nothing is trained.
    """
    for cell in cells:
        _accept(out, cell)
    found: dict[str, Outcome] = {}

    def note(outcome: Outcome) -> None:
        found[outcome.cell.name] = outcome
        if watch is not None:
            watch(outcome, len(found), len(cells))

    waiting = []
    for cell in cells:
        if cell_run(out, cell).status().get("state") == "finished":
            note(Outcome(cell, "kept"))
        else:
            waiting.append(cell)
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_Running(out, waiting.pop(0)))
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                note(one.outcome())
            time.sleep(0.05)
    finally:
        for one in running:  # a signal to this process is one to its cells, which then write down where they are
            one.process.terminate()
        for one in running:
            one.process.wait()
    return [found[cell.name] for cell in cells]


def _accept(out: Path, cell: Cell) -> None:
    """Refuse to mix results of two suites; write down what a new cell is."""
    settings = dict(cell.settings)
    if cell.history is not None:
        place = out / "sequences" / f"{cell.sequence}.yaml"
        _keep(place, to_json(cell.history))
        settings["data"] = f"sequence:{place},seed={FIRST_SEED + cell.seed}"
    _keep(cell_file(out, cell), {"train": METHOD, **to_json(_nested(settings))})


def _keep(path: Path, wanted: Mapping[str, Any]) -> None:
    """Write a file of settings, unless it is there; refuse one that says something else."""
    if path.is_file() and (held := read_yaml(str(path))) != wanted:
        key, before, now = first_difference(held, wanted) or ("other settings", None, None)
        raise InputError(
            f"{path} has {key} = {before!r}, and the suite says {now!r}: results are never mixed. "
            "Give another --out, or remove that file and the run beside it."
        )
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, yaml.safe_dump(dict(wanted), sort_keys=False, allow_unicode=True))


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted settings as groups."""
    made: dict[str, Any] = {}
    for key, value in settings.items():
        *groups, name = key.split(".")
        place = made
        for group in groups:
            place = place.setdefault(group, {})
        place[name] = value
    return made


class _Running:
    """A cell in training; what it says goes into a file beside its settings, which stays where it failed."""

    def __init__(self, out: Path, cell: Cell) -> None:
        self.cell, self.began = cell, time.monotonic()
        settings = cell_file(out, cell)
        self.log = settings.with_suffix(".log")
        command = [sys.executable, "-m", "modelheir.cli", "train", METHOD, "--config", str(settings)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--out", str(cell_run(out, cell).path), "--quiet"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def outcome(self) -> Outcome:
        """Return what came of it."""
        seconds = time.monotonic() - self.began
        if self.process.returncode == 0:
            self.log.unlink(missing_ok=True)
            return Outcome(self.cell, "finished", seconds)
        said = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        last = printable(said[-1]) if said else f"the process ended with code {self.process.returncode}"
        return Outcome(self.cell, "failed", seconds, last)
