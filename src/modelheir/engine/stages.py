"""Run a plan: one stage after another, each reading only what earlier ones left on disk."""

from __future__ import annotations

from collections.abc import Sequence

from modelheir.config.fit import FitConfig
from modelheir.engine.fit import fit
from modelheir.engine.runtime import Runtime
from modelheir.engine.threads import restored
from modelheir.runs.folder import RunFolder
from modelheir.types import Log, Progress, Stage, StageResult

__all__ = ["run_plan"]


def run_plan(
    plan: Sequence[Stage],
    folder: RunFolder,
    *,
    runtime: Runtime,
    fit_config: FitConfig,
    seed: int,
    log: Log,
    progress: Progress,
) -> dict[str, StageResult]:
    """Train every stage that has no result yet and return all results by name.

    A finished stage is read back from its folder; so going on after an interruption is the same code path.

    Raises:
        ValueError: If two stages share a name.
    """
    names = [stage.name for stage in plan]
    if len(set(names)) != len(names):
        raise ValueError(f"stage names must differ, got {', '.join(names)}")
    done: dict[str, StageResult] = {}
    with restored():
        for number, stage in enumerate(plan):
            place = folder.stage(number, stage.name)
            if not place.finished:
                task = [stage.prepare(done)]  # handed over, so that two stages' models never share the memory
                fit(task.pop(), place, runtime=runtime, fit=fit_config, seed=seed, log=log, progress=progress)
            done[stage.name] = place.result()
            runtime.threads = done[stage.name].describe.get("threads", runtime.threads)
    return done
