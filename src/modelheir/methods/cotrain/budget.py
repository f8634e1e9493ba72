"""Algorithms within a time: one after another in their order, and none begins when the time is over.

What a stage took is kept with its result, so that a run that goes on after an interruption counts what it did before,
and several processes count alike. Of a stage that was interrupted, the time before that is not counted.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from modelheir.plans import Grid, Stage, Task

if TYPE_CHECKING:
    from modelheir.types import StageResult

__all__ = ["spent", "within"]

Done = Mapping[str, "StageResult"]

_KEY = "seconds"


def within(
    seconds: float,
    before: Iterable[Stage],
    names: Sequence[str],
    stages: Callable[[str], Iterable[Stage]],
    last: Callable[[Sequence[str]], Stage],
) -> Callable[[Done], Iterator[Stage]]:
    """Return a plan that tries algorithms while there is time; the first one is always tried.

    Args:
        seconds: For all stages together, ``> 0``; an algorithm that has begun is finished.
        before: Stages that come first, whatever they take.
        names: Of the algorithms, in order.
        stages: Name -> the stages of an algorithm, of all seeds; earlier ones' may be among them.
        last: Algorithms that were not tried -> the last stage.
    """

    def plan(done: Done) -> Iterator[Stage]:
        yield from map(_timed, before)
        for number, name in enumerate(names):
            if number and spent(done) >= seconds:
                yield last(names[number:])
                return
            yield from map(_timed, (one for one in stages(name) if one.name not in done))
        yield last(())

    return plan


def spent(done: Done) -> float:
    """Return the seconds that finished stages took, reading and encoding of images included."""
    return sum(float(one.describe.get("measured", {}).get(_KEY, 0.0)) for one in done.values())


def _timed(stage: Stage) -> Stage:
    """Return a stage that keeps with its result how many seconds it took."""

    def prepare(done: Done) -> Task | Grid | None:
        began = time.monotonic()
        task = stage.prepare(done)
        if not isinstance(task, Task):
            return task
        return dataclasses.replace(task, measure=lambda: {_KEY: time.monotonic() - began})

    return Stage(stage.name, prepare)
