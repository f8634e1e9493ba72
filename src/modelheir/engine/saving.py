"""What a stage in training writes: resume points, the best weights, checkpoints, and its result last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelheir.engine.evaluate import summarise
from modelheir.engine.resume import pack
from modelheir.engine.selection import predict_split
from modelheir.engine.state import Training
from modelheir.runs.predictions import write_predictions
from modelheir.runs.tensors import load_weights, save_state, save_weights
from modelheir.types import StageResult

__all__ = ["finish", "write_best", "write_checkpoint", "write_resume"]


def write_resume(training: Training) -> None:
    """Write a resume point."""
    _write(training, save_state, training.folder.resume, pack(training))


def write_best(training: Training) -> None:
    """Keep the present weights as the best so far."""
    _write(training, save_weights, training.folder.best, training.kept())


def write_checkpoint(training: Training, done: int) -> None:
    """Keep weights and predictions after ``done`` epochs for good, where ``fit.checkpoint_every_epochs`` says so."""
    every = training.fit.checkpoint_every_epochs
    if not every or done % every:
        return
    path = training.folder.checkpoint(done)
    _write(training, save_weights, path / "weights.safetensors", training.kept())
    if done and "val" in training.task.evaluate:
        _write(training, write_predictions, path / "val.parquet", predict_split(training, "val"))


def finish(training: Training) -> StageResult:
    """Keep the chosen weights, evaluate them once on every split, write the result last."""
    folder, fit, task = training.folder, training.fit, training.task
    if fit.keep == "best" and folder.best.is_file():
        kept = load_weights(folder.best)
    else:
        kept = {key: value.clone() for key, value in training.kept().items()}
    training.put(kept)
    training.runtime.from_main_(training.live.values())
    training.average = None
    _write(training, save_weights, folder.weights, kept)
    metrics: dict[str, float] = {}
    for name in task.evaluate:
        predictions = predict_split(training, name, features=fit.save_features)
        _write(training, write_predictions, folder.predictions(name), predictions)
        metrics |= {f"{name}/{key}": value for key, value in summarise(predictions).items()}
    _write(training, folder.finish, metrics, dict(task.describe), task.publish)
    return folder.result()


def _write(training: Training, write: Callable[..., None], *arguments: Any) -> None:
    """Write on the main process while the others wait."""
    if training.runtime.main:
        write(*arguments)
    training.runtime.wait()
