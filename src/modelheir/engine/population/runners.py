"""The ways to run the members of a grid, and the choice among them: the fastest over ten steps, where these pay."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from modelheir.engine.population import processes, sequential, stacked
from modelheir.engine.population.members import Member, Members
from modelheir.runs.tensors import load_state, save_state

__all__ = ["RUNNERS", "Runner", "pick"]

_STEPS = 10
_WORTH = 500  #: steps of all members together, from which on the trial takes little of what the choice saves


@dataclasses.dataclass(frozen=True)
class Runner:
    """A way to run members."""

    refuse: Callable[[Members, Sequence[Member]], str]  #: why it cannot run them; "": it can
    #: seconds a step and member over so many steps on trial, or over fewer once they took more than this limit for all
    try_steps: Callable[[Members, Sequence[Member], int, float], float]
    train: Callable[[Members, Sequence[Member]], None]


RUNNERS = {
    "sequential": Runner(sequential.refuse, sequential.try_steps, sequential.train),
    "processes": Runner(processes.refuse, processes.try_steps, processes.train),
    "stacked": Runner(stacked.refuse, stacked.try_steps, stacked.train),
}


def pick(members: Members) -> tuple[str, dict[str, float]]:
    """Choose how members are run and say so; what was chosen before, in this stage, stays.

    Returns:
        The name of the runner, and the milliseconds a step and member of each that was tried; none where there was no
        choice.

    Raises:
        ValueError: If a runner that the grid asks for cannot run it.
    """
    folder = members.folder
    state = members.runtime.by_main(lambda: load_state(folder.resume) if folder.resume.is_file() else None)
    if state is None:
        state = _choose(members)
        members.runtime.by_main(lambda: save_state(folder.resume, state))
    return state["runner"], state["milliseconds"]


def _choose(members: Members) -> dict[str, Any]:
    waiting, asked, say = members.waiting(), members.grid.runner, members.progress.note
    head = f"{members.folder.name}: {len(members)} settings"
    if asked != "auto":
        if why := RUNNERS[asked].refuse(members, waiting):
            raise ValueError(f"{head} cannot be run {asked}: {why}")
        say(f"{head}, {asked}")
        return {"runner": asked, "milliseconds": {}}
    able = [name for name, runner in RUNNERS.items() if not runner.refuse(members, waiting)]
    if len(able) > 1 and members.loop(waiting[0]).step.steps * len(waiting) < _WORTH:
        able = ["sequential"]
    if len(able) == 1:
        say(f"{head}, {able[0]}")
        return {"runner": able[0], "milliseconds": {}}
    took: dict[str, float] = {}
    for name in able:
        limit = min(took.values(), default=math.inf) / 1000
        took[name] = round(1000 * RUNNERS[name].try_steps(members, waiting, _STEPS, limit), 3)
    found = min(took, key=lambda name: took[name])
    times = ", ".join(f"{name} {value:.2f}" for name, value in took.items())
    say(f"{head}, {found}: milliseconds a step and setting are {times}")
    return {"runner": found, "milliseconds": took}
