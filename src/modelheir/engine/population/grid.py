"""A grid: one small network under several settings, of which the best on the selection split is the stage's model.

Each member is a stage of its own, in the folder ``members/<nn>`` of the grid's until the grid is finished; so what is
finished is read back, and a grid goes on after an interruption where it stopped. Which way members are run changes how
long it takes, and how numbers are rounded, and so is kept for the rest of the stage once it is chosen.

A member whose loss or weights stop being finite is out, whatever it was before, and the others go on.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.engine.population.members import Member, Members
from modelheir.engine.population.runners import RUNNERS, pick
from modelheir.engine.sharing import shared_result
from modelheir.inference.runtime import Runtime
from modelheir.models.adapters import merge_weights
from modelheir.plans import Grid, Task
from modelheir.runs.stage import StageFolder
from modelheir.types import Log, Progress

__all__ = ["accept_grid", "best_member", "train_grid"]


def train_grid(
    grid: Grid, folder: StageFolder, *, runtime: Runtime, fit: FitConfig, seed: int, log: Log, progress: Progress
) -> Task:
    """Train every member that is not finished, and return the best one's task, with nothing left to train.

    ``describe["grid"]`` of the task says how the members were run (``runner``, and the ``milliseconds`` a step and
    member that each way took on trial), which one is the best (``chosen``), and of each member its ``setting``, its
    ``selection`` and ``loss`` on "val", the epoch they are from (``best_epoch``, 0 is the start), the ``epochs`` and
    ``seconds`` it was trained, and what its task ``measured``; or why it ``failed``. Checkpoints and snapshots that
    stay are the best member's.

    Raises:
        InputError: If every member failed, or one's process was lost again and again.
        ValueError: If the grid is none, or a runner that is asked for cannot run it.
    """
    accept_grid(grid)
    members = Members(grid, folder, runtime, fit, seed, log, progress)
    runner, took = pick(members)
    waiting = members.waiting()
    if waiting:
        RUNNERS[runner].train(members, waiting)
    rows = [_row(members, one) for one in members]
    chosen = best_member([_merit(row) for row in rows])
    if chosen is None:
        why = "; ".join(f"{_said(row['setting'])}: {row['failed']}" for row in rows)
        raise InputError(f"stage {folder.name}: every setting failed. {why}")
    progress.close()  # what the last member came to is said first
    progress.note(
        f"{folder.name}: the best of {len(rows)} settings is {_said(rows[chosen]['setting'])}, " + _how(rows[chosen])
    )
    task, result = members.task(chosen), shared_result(folder.member(chosen), runtime)
    for name, module in task.modules.items():
        merge_weights(module)  # what is kept are plain weights
        module.load_state_dict(result.weights(name))
    runtime.by_main(lambda: folder.take_along(folder.member(chosen)))
    table = {"runner": runner, "milliseconds": took, "chosen": chosen, "members": rows}
    kept: dict[str, Any] = {"streams": {}, "objective": None, "update": None, "optimizers": None, "optimizer_fits": {}}
    return dataclasses.replace(task, **kept, describe={**task.describe, "grid": table})


def accept_grid(grid: Grid) -> None:
    """Refuse settings that do not make a grid.

    Raises:
        ValueError: Says what is wrong with them.
    """
    if not grid.settings:
        raise ValueError("a grid needs at least one setting")
    names = [sorted(setting) for setting in grid.settings]
    if any(one != names[0] for one in names):
        raise ValueError(f"the settings of a grid must have the same names, got {names}")
    seen: dict[str, int] = {}
    for number, setting in enumerate(grid.settings):
        first = seen.setdefault(json.dumps(setting, sort_keys=True), number)
        if first != number:
            raise ValueError(f"settings {first} and {number} of a grid are alike: {_said(setting)}")
    if grid.runner not in ("auto", *RUNNERS):
        raise ValueError(f"a grid's runner is auto, {', '.join(RUNNERS)}, got {grid.runner!r}")


def best_member(values: Sequence[tuple[float, float] | None]) -> int | None:
    """Return the number of the member with the greatest value, of equal ones the lowest loss, of equal ones the first.

    Args:
        values: Of each member the value and the loss; ``None`` stands for one that failed.

    Example:
        >>> best_member([(0.5, 0.1), None, (0.75, 0.3), (0.75, 0.2), (0.75, 0.2)])
        3
    """
    held = [(one[0], -one[1], -number) for number, one in enumerate(values) if one is not None]
    return -max(held)[2] if held else None


def _merit(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the value and the loss of a member; a file holds no number that is not finite."""
    if row.get("selection") is None:
        return None
    return row["selection"], math.inf if row["loss"] is None else row["loss"]


def _row(members: Members, member: Member) -> dict[str, Any]:
    about = shared_result(member.folder, members.runtime).describe
    found = {
        name: about[name]
        for name in ("failed", "selection", "loss", "best_epoch", "epochs", "seconds", "measured")
        if name in about
    }
    return {"setting": dict(member.setting), **found}


def _said(setting: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in setting.items())


def _how(row: Mapping[str, Any]) -> str:
    return f"{row['selection']:.4f} after {row['best_epoch']} of {row['epochs']} epochs"
