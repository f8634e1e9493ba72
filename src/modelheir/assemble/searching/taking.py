"""What one of the processes that try does: take the next trial that nobody has, train it, and say what came of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from modelheir.assemble.searching.kept import Kept
from modelheir.assemble.searching.trial import Trial
from modelheir.checks import InputError

if TYPE_CHECKING:
    from modelheir.inference import Runtime

__all__ = ["Draw", "Watch", "try_all"]

Draw = Callable[[Sequence[Trial]], "dict[str, Any] | None"]  #: trials so far -> changes of the next; None: not now
Watch = Callable[[str, Trial], None]  #: takes "begins", "ends" or "awaited", and the trial

_LOOK = 0.2  #: seconds between looks at trials that other processes train


class _Turn(NamedTuple):
    """What is to be done now."""

    trial: Trial | None  #: to be trained by this process
    awaited: Trial | None = None  #: in training elsewhere, where there is nothing else to do


def try_all(
    kept: Kept, limit: int, draw: Draw, train: Callable[[Trial], Trial], runtime: Runtime, watch: Watch | None = None
) -> None:
    """Train trials until there are ``limit`` or none is left, those of other processes included.

    A trial whose process has died is taken up again; its run resumes. All processes of ``runtime`` train the same one.

    Args:
        kept: The trials, shared by everybody who tries.
        limit: Trials in all.
        draw: Says what the next trial changes.
        train: Trains a trial, and returns it with what came of it.
        runtime: Processes that train together.
        watch: Told of this process's trials, and of the one it waits for.
    """
    told: Trial | None = None
    while True:
        with contextlib.ExitStack() as held:
            turn = runtime.by_main(lambda held=held: _take(kept, limit, draw, held))
            if turn.trial is not None:
                if watch:
                    watch("begins", turn.trial)
                done = train(turn.trial)
                runtime.by_main(lambda done=done: _put(kept, done))
                if watch:
                    watch("ends", done)
                continue
        if turn.awaited is None:
            return
        if watch and turn.awaited != told:
            watch("awaited", turn.awaited)
        told = turn.awaited
        time.sleep(_LOOK)


def _take(kept: Kept, limit: int, draw: Draw, held: contextlib.ExitStack) -> _Turn:
    """Take a trial that a dead process left, else the next one; ``held`` holds it for this process."""
    with kept.alone():
        running = [trial for trial in kept.trials if trial.state == "running" and trial.number < limit]
        for trial in running:
            if kept.claim(held, trial):
                return _Turn(trial)
        changes = draw(kept.trials) if len(kept.trials) < limit else None
        if changes is None:
            return _Turn(None, running[0] if running else None)
        trial = Trial(len(kept.trials), changes, "running")
        if not kept.claim(held, trial):
            raise InputError(f"another process trains trial {trial.number}, and {kept.path} does not know of it: wait.")
        kept.put(trial)
        return _Turn(trial)


def _put(kept: Kept, trial: Trial) -> None:
    with kept.alone():
        kept.put(trial)
