"""What a stage must have before its first batch."""

from __future__ import annotations

from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.plans import Task

__all__ = ["accept"]


def accept(task: Task, fit: FitConfig, stage: str) -> None:
    """Refuse a task that cannot be trained with these settings.

    Raises:
        InputError: If a setting asks for what the stage lacks, or its data gives no batch.
        ValueError: If the task has neither an objective nor an update, or both; or names no module to evaluate.
    """
    if task.evaluate and task.predict is None and task.publish not in task.modules:
        modules = ", ".join(task.modules)
        if not task.publish:
            raise ValueError(f"stage {stage} publishes no module and says no prediction: how do {modules} predict?")
        raise ValueError(f"stage {stage} has no module {task.publish!r} to evaluate, only {modules}")
    if not task.streams:
        return
    if (task.objective is None) == (task.update is None):
        raise ValueError("a task needs an objective or an update, and not both")
    if task.update is not None and fit.accumulate > 1:
        raise InputError(f"fit.accumulate = {fit.accumulate}: stage {stage} does its own steps; set it to 1.")
    if fit.cuda_graphs and not fit.compile:
        raise InputError("fit.cuda_graphs = True needs fit.compile = True: it is compiled code that is captured.")
    if fit.cuda_graphs and task.update is not None:
        raise InputError(f"fit.cuda_graphs = True: stage {stage} does its own steps; leave it out.")
    plateau = any(one.schedule == "plateau" for one in (fit, *task.optimizer_fits.values()))
    asked = {"keep": fit.keep == "best", "schedule": plateau, "patience": fit.patience > 0}
    asked |= {"keep_start": fit.keep_start, "stop_when_worse": fit.stop_when_worse}
    asked["stop_after_stalls"] = fit.stop_after_stalls > 0
    for key, selects in asked.items():
        if selects and not _selectable(task):
            value = "plateau" if key == "schedule" else getattr(fit, key)
            raise InputError(f"fit.{key} = {value!r}: stage {stage} has no labelled selection split (val).")
    if fit.keep_start and fit.keep != "best":
        raise InputError(f"fit.keep_start = True needs fit.keep = 'best', got {fit.keep!r}: nothing else is chosen.")
    if fit.snapshots.weights == "averaged" and not fit.ema_decay:
        raise InputError("fit.snapshots.weights = 'averaged' needs fit.ema_decay above 0: nothing is averaged.")
    for name, stream in task.streams.items():
        if not len(stream):
            raise InputError(f"stage {stage}: the {name} data gives no whole batch of {fit.batch_size}.")


def _selectable(task: Task) -> bool:
    stream = task.evaluate.get("val")
    return stream is not None and (task.select is not None or bool((stream.labels >= 0).any()))
