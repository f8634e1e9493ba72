"""The members of a grid: what each trains, where it is kept, and how one is trained by the house's loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from modelheir.config.fit import FitConfig
from modelheir.engine.faults import NotFinite
from modelheir.engine.fit import Fit
from modelheir.engine.saving import finish
from modelheir.engine.state import Training
from modelheir.inference.runtime import Runtime
from modelheir.models.bodies.masks import draw_masks_fast
from modelheir.plans import Grid, Task
from modelheir.runs.stage import StageFolder
from modelheir.types import Log, Progress

__all__ = ["Member", "Members", "fail_member", "finish_member", "train_member"]


@dataclasses.dataclass(frozen=True)
class Member:
    """One setting of a grid."""

    number: int  #: in the grid, from 0
    setting: Mapping[str, Any]
    folder: StageFolder  #: finished or not, the member is a stage there


@dataclasses.dataclass(eq=False)
class Members:
    """A grid and what its members are trained with."""

    grid: Grid
    folder: StageFolder  #: of the grid
    runtime: Runtime
    fit: FitConfig  #: the run's
    seed: int
    log: Log
    progress: Progress

    def __len__(self) -> int:
        return len(self.grid.settings)

    def __iter__(self) -> Iterator[Member]:
        for number, setting in enumerate(self.grid.settings):
            yield Member(number, setting, self.folder.member(number))

    def waiting(self) -> list[Member]:
        """Return the members that are not finished."""
        done = self.runtime.by_main(lambda: [one.folder.finished for one in self])
        return [one for one, finished in zip(self, done, strict=True) if not finished]

    def task(self, number: int) -> Task:
        """Return what member ``number`` trains, made anew.

        On the CPU its dropout draws masks fast; not where it is compiled, as draws with and without that are equal.

        Raises:
            ValueError: If it has no selection split, by which members are compared.
        """
        task = self.grid.make_task(self.grid.settings[number])
        if "val" not in task.evaluate:
            raise ValueError(f"the members of grid {self.folder.name} are compared on val: give each such a split")
        if self.runtime.device.type == "cpu" and not (task.fit or self.fit).compile:
            for module in task.modules.values():
                draw_masks_fast(module)
        return task

    def loop(self, member: Member, *, log: Log | None = None, progress: Progress | None = None) -> Fit:
        """Return the loop over one member, which evaluates on the selection split alone."""
        task = self.task(member.number)
        chosen = {name: stream for name, stream in task.evaluate.items() if name == "val"}
        task = dataclasses.replace(task, evaluate=chosen)
        told = self.log if log is None else log, self.progress if progress is None else progress
        return Fit(task, member.folder, self.runtime, task.fit or self.fit, self.seed, *told)


def train_member(loop: Fit) -> None:
    """Train one member from where its folder stands, and leave its weights and what it came to."""
    try:
        loop.train()
    except NotFinite as error:
        fail_member(loop.now, str(error))
    else:
        finish_member(loop.now)


def finish_member(now: Training) -> None:
    """Leave the kept weights of a member and what they came to."""
    now.task.evaluate = {}  # the selection split was seen with these weights
    epochs, best = now.number // now.length, now.fit.keep == "best"
    value, loss, epoch = (now.best, now.chosen_loss, now.chosen_epoch) if best else (now.latest, now.loss, epochs)
    about = {"selection": value, "loss": loss, "best_epoch": epoch, "epochs": epochs}
    finish(now, **about, seconds=round(now.seconds, 3))


def fail_member(now: Training, why: str) -> None:
    """Leave why a member failed."""
    now.runtime.by_main(lambda: now.folder.finish({}, {"failed": why}))
