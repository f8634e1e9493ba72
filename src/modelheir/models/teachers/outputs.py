"""Outputs of models as predictions: computed once, averaged over files, and asked whether they say anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.metrics.ensemble import ensemble_predictions
from modelheir.models.classifier import Classifier
from modelheir.runs.predictions import read_predictions
from modelheir.types import Batch, Outputs, Predictions, Stream

__all__ = ["cache_outputs", "is_informative", "mean_logits"]


@torch.no_grad()
def cache_outputs(model: nn.Module, stream: Stream, *, features: bool = False) -> Predictions:
    """Run a model or teacher once over every sample of an evaluation stream, on this process alone.

    Args:
        model: A :class:`Classifier`, or a teacher that takes a batch. Run in evaluation mode; its modes come back.
        stream: Evaluation stream.
        features: Keep the features too.

    Returns:
        Predictions in the order of ``stream.ids``, float32.

    Raises:
        ValueError: If the stream does not show every sample exactly once.
    """
    modes = [(module, module.training) for module in model.modules()]
    rows, logits, kept = [], [], []
    try:
        for module, _ in modes:
            module.training = False
        for batch in stream.epoch(0):
            outputs = _run(model, batch)
            rows.append(batch.index.cpu())
            logits.append(outputs.logits.float().cpu())
            if features:
                kept.append(outputs.features.float().cpu())
    finally:
        for module, mode in modes:
            module.training = mode
    order = torch.cat(rows).numpy() if rows else np.zeros(0, dtype=np.int64)
    if not np.array_equal(np.sort(order), np.arange(len(stream.ids))):
        raise ValueError(f"the stream must show each of its {len(stream.ids)} samples once, it showed {len(order)}")
    position = np.argsort(order)
    values = torch.cat(logits).numpy()[position]
    return Predictions(
        sample_id=np.asarray(stream.ids),
        label=np.asarray(stream.labels),
        prediction=values.argmax(1).astype(np.int64),
        logits=values,
        classes=tuple(getattr(model, "classes", stream.classes)),
        columns=dict(stream.columns),
        features=torch.cat(kept).numpy()[position] if features else None,
    )


def _run(model: Any, batch: Batch) -> Outputs:
    return model(batch.inputs) if isinstance(model, Classifier) or hasattr(model, "old_head") else model(batch)


def mean_logits(paths: Sequence[Path | str], *, weights: Sequence[float] | None = None) -> Predictions:
    """Average the logits of several files of predictions, matched by sample id.

    Args:
        paths: Parquet or CSV files of the same samples.
        weights: One a file, ``>= 0``; ``None`` is all equal.
    """
    if not paths:
        raise InputError("a mean of logits needs at least one file of predictions.")
    files = [read_predictions(Path(path)) for path in paths]
    return ensemble_predictions(files, weights=list(weights or [1.0] * len(files)))


def is_informative(predictions: Predictions, *, significance: float = 0.05) -> tuple[bool, float]:
    """Tell whether predictions know more about the labels than a guess.

    The best guess without looking names the largest class always, and is right as often as that class is. The answer
    is a one-sided exact binomial test against that share: an accuracy that is only a little higher, or only on a few
    images, does not count as knowledge. Where not even a model without an error could pass (few images, nearly all of
    one class), the guess names each class as often as the predictions do.

    Args:
        predictions: Rows with label -1 do not count.
        significance: Probability of taking a guesser for informed, 0 to 1.

    Returns:
        The answer, and the accuracy, a fraction. Without any label the answer is yes and the accuracy NaN: nothing
        speaks against it.
    """
    from scipy.stats import binom

    known = predictions.label >= 0
    label, prediction = predictions.label[known], predictions.prediction[known]
    count = len(label)
    if count == 0:
        return True, float("nan")
    right = int((label == prediction).sum())
    classes = int(max(label.max(), prediction.max())) + 1
    share, habit = (np.bincount(said[said >= 0], minlength=classes) / count for said in (label, prediction))
    largest = float(share.max())
    guess = largest if largest**count < significance else float(share @ habit)
    return bool(right / count > largest and binom.sf(right - 1, count, guess) < significance), right / count
