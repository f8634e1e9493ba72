"""What a stage in training writes: resume points, checkpoints, and its result last."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from modelheir.engine.resume import pack
from modelheir.engine.selection import predict_split
from modelheir.engine.sharing import shared_result
from modelheir.engine.state import Training
from modelheir.inference.evaluate import summarise
from modelheir.models.adapters import merge_weights
from modelheir.runs.predictions import write_predictions
from modelheir.runs.tensors import save_state, save_weights
from modelheir.types import StageResult

__all__ = ["Cadence", "finish", "write_checkpoint", "write_resume"]

_SHARE = 50  #: of the time, a resume point by the clock may take one part in so many


class Cadence:
    """When the next resume point is due by the clock: after ``seconds``, later where the last took long; 0: never."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.next = time.monotonic() + seconds

    def due(self) -> bool:
        """Tell whether the time has come."""
        return self.seconds > 0 and time.monotonic() >= self.next

    def save(self, write: Callable[[], None]) -> None:
        """Write a resume point, whatever asked for it, and wait anew."""
        began = time.monotonic()
        write()
        now = time.monotonic()
        self.next = now + max(self.seconds, _SHARE * (now - began))


def write_resume(training: Training) -> None:
    """Write a resume point, once every snapshot before it is on disk."""
    training.snapshots.flush()
    _write(training, save_state, training.folder.resume, pack(training))


def write_checkpoint(training: Training, done: int) -> None:
    """Keep weights and predictions after ``done`` epochs for good, where ``fit.checkpoint_every_epochs`` says so."""
    every = training.fit.checkpoint_every_epochs
    if not every or done % every:
        return
    path = training.folder.checkpoint(done)
    _write(training, save_weights, path / "weights.safetensors", training.plain(training.kept()))
    if done and "val" in training.task.evaluate:
        _write(training, write_predictions, path / "val.parquet", predict_split(training, "val"))


def finish(training: Training, **about: Any) -> StageResult:
    """Keep the chosen weights, evaluate them once on every split, write the result last; ``about`` describes it."""
    folder, fit, task = training.folder, training.fit, training.task
    kept = training.chosen or {key: value.clone() for key, value in training.kept().items()}
    training.put(kept)
    training.runtime.from_main_(training.live.values())
    training.average = None
    kept = training.plain(kept)
    for module in task.modules.values():  # what is evaluated is what is kept
        merge_weights(module)
    _write(training, save_weights, folder.weights, kept)
    metrics: dict[str, float] = {}
    for name in task.evaluate:
        predictions = predict_split(training, name, features=fit.save_features)
        _write(training, write_predictions, folder.predictions(name), predictions)
        metrics |= {f"{name}/{key}": value for key, value in summarise(predictions).items()}
    told: dict[str, Any] = {"threads": training.runtime.threads} if training.runtime.threads else {}
    told |= {"measured": dict(task.measure())} if task.measure is not None else {}
    _write(training, folder.finish, metrics, {**task.describe, **told, **about}, task.publish)
    return shared_result(folder, training.runtime)


def _write(training: Training, write: Callable[..., None], *arguments: Any) -> None:
    """Write on the main process while the others wait; what stops it stops them all."""
    training.runtime.by_main(lambda: write(*arguments))
