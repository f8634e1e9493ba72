"""Run a plan: one stage after another, each reading only what earlier ones left on disk."""

from __future__ import annotations

from types import MappingProxyType

from modelheir.config.fit import FitConfig
from modelheir.engine.fit import fit
from modelheir.engine.population.grid import train_grid
from modelheir.engine.sharing import shared_result
from modelheir.engine.speed.threads import restored
from modelheir.inference.runtime import Runtime
from modelheir.plans import Grid, Plan, Stage
from modelheir.runs.folder import RunFolder
from modelheir.runs.stage import StageFolder
from modelheir.types import Log, Progress, StageResult

__all__ = ["run_plan"]


def run_plan(
    plan: Plan,
    folder: RunFolder,
    *,
    runtime: Runtime,
    fit_config: FitConfig,
    seed: int,
    log: Log,
    progress: Progress,
) -> dict[str, StageResult]:
    """Train every stage that has no result yet and return all results by name.

    A finished stage is read back from its folder; so going on after an interruption is the same code path. What is
    finished and what is gone on with is what the main process finds on its disk. Where the
    number of stages is open, ``plan`` is a function that yields them and is handed the results so far, which grow as it
    goes on: it must read nothing else, and so yields the same stages again after an interruption.

    A stage whose ``prepare`` returns ``None`` has nothing to do: it is recorded as skipped, and has no weights.

    Raises:
        ValueError: If two stages share a name.
    """
    done: dict[str, StageResult] = {}
    stages = plan(MappingProxyType(done)) if callable(plan) else _distinct(list(plan))
    with restored():
        for number, stage in enumerate(stages):
            if stage.name in done:
                raise ValueError(f"stage names must differ, got {', '.join([*done, stage.name])}")
            place = folder.stage(number, stage.name)
            if runtime.by_main(lambda place=place: place.finished):
                done[stage.name] = shared_result(place, runtime)
            else:
                task = stage.prepare(done)
                if task is None:
                    done[stage.name] = _skip(place, runtime, progress)
                else:
                    told = {"runtime": runtime, "fit": fit_config, "seed": seed, "log": log, "progress": progress}
                    if isinstance(task, Grid):
                        task = train_grid(task, place, **told)
                    done[stage.name] = fit(task, place, **told)
                del task  # so that two stages' models never share the memory
            runtime.threads = done[stage.name].describe.get("threads", runtime.threads)
    return done


def _distinct(plan: list[Stage]) -> list[Stage]:
    names = [stage.name for stage in plan]
    if len(set(names)) != len(names):
        raise ValueError(f"stage names must differ, got {', '.join(names)}")
    return plan


def _skip(place: StageFolder, runtime: Runtime, progress: Progress) -> StageResult:
    progress.note(f"{place.name}: nothing to do, so it is left out")
    runtime.by_main(lambda: place.finish({}, {"skipped": True}))
    return shared_result(place, runtime)
