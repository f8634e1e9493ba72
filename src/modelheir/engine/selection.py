"""Evaluate a stage in training, and judge whether it is the best so far on its selection split."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from modelheir.engine.speed.compiling import uncompiled
from modelheir.engine.state import Training
from modelheir.inference.evaluate import average_views, evaluation, predict_stream, summarise
from modelheir.types import Predictions

__all__ = ["averaged", "ended", "predict_split", "select"]


def select(training: Training) -> dict[str, float]:
    """Evaluate on the selection split, copy the weights if they are the best so far, return the log's values."""
    predictions = predict_split(training, "val")
    training.metrics = summarise(predictions)
    row = {f"val/{name}": value for name, value in training.metrics.items()}
    value = training.metrics.get("accuracy", 0.0)
    if training.task.select is not None:
        row["val/selection"] = value = float(training.task.select(predictions))
    every = training.fit.evaluate_every
    training.plateau.observe(value, every)
    better = value > training.best
    training.waited = 0 if better else training.waited + every
    training.stalls = 0 if value > training.latest else training.stalls + 1
    training.worse, training.latest = value < training.latest, value
    if better:
        training.best, training.chosen_epoch = value, training.number // training.length
        training.chosen_loss = training.loss
        if training.fit.keep == "best":
            training.chosen = {key: tensor.clone() for key, tensor in training.kept().items()}
    return row


def ended(training: Training) -> str:
    """Say why a stage ends before its last epoch, by what its evaluations came to; "" where it goes on."""
    fit = training.fit
    if fit.patience and training.waited >= fit.patience:
        return f"no better result for {training.waited} epochs, so it ends here"
    if fit.stop_when_worse and training.worse:
        return f"{training.latest:.4f} is worse than the evaluation before, so it ends here"
    if fit.stop_after_stalls and training.stalls >= fit.stop_after_stalls:
        return f"none of {training.stalls} evaluations is above the one before it, so it ends here"
    return ""


def predict_split(training: Training, split: str, *, features: bool = False) -> Predictions:
    """Run what the task publishes over one of its evaluation streams, with the averaged weights where there are any."""
    task = training.task
    predict = task.predict or (lambda batch: average_views(task.modules[task.publish], batch))
    precision = training.fit.precision
    networks = [*task.modules.values(), *task.references.values()]
    with averaged(training), evaluation(networks), uncompiled(training.fit.compile):
        return predict_stream(predict, task.evaluate[split], training.runtime, precision=precision, features=features)


@contextlib.contextmanager
def averaged(training: Training) -> Iterator[None]:
    """Put the averaged weights in for a while, where there are any."""
    if training.average is None:
        yield
        return
    raw = {key: value.clone() for key, value in training.live.items()}
    training.put(training.average)
    try:
        yield
    finally:
        training.put(raw)
