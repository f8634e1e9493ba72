"""Run a model over a stream once and keep what it said, by sample id."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modelheir.classes import match_classes, renumber
from modelheir.inference.runtime import Runtime
from modelheir.metrics.accuracy import in_top_k
from modelheir.types import Batch, Outputs, Predictions, Stream

__all__ = ["average_views", "evaluation", "gather_parts", "predict_model", "predict_stream", "summarise"]


class evaluation:  # lower case: it is used as a verb in a with statement
    """Put modules in evaluation mode for a while and give them their modes back."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = [module for root in modules for module in root.modules()]

    def __enter__(self) -> None:
        self._modes = [module.training for module in self._modules]
        for module in self._modules:
            module.training = False

    def __exit__(self, *error: object) -> None:
        for module, mode in zip(self._modules, self._modes, strict=True):
            module.training = mode


def predict_model(
    model: Any, stream: Stream, runtime: Runtime, *, precision: str = "fp32", features: bool = False
) -> Predictions:
    """Run a classifier or a teacher over a stream once, in evaluation mode, and name its own classes.

    Args:
        model: Takes images (a classifier), or a batch (a teacher, which has no ``spec``); has ``classes``.
        stream: An evaluation stream.
        runtime: This process and its peers.
        precision: Of the forward pass.
        features: Keep the features too.

    Returns:
        Predictions whose ``classes`` and columns are the model's; labels are the stream's, matched by name where the
        class lists differ, and -1 where the model does not know the class.
    """
    model.to(runtime.device)
    run = (lambda batch: average_views(model, batch)) if hasattr(model, "spec") else model
    with evaluation([model]):
        found = predict_stream(run, stream, runtime, precision=precision, features=features)
    matched = match_classes(stream.classes, model.classes, may_differ=True)
    return dataclasses.replace(found, classes=matched.theirs, label=renumber(found.label, matched.to_theirs))


def average_views(model: nn.Module, batch: Batch) -> Outputs:
    """Classify a batch; where its views are crops of an image (ten crops), average logits and features over them.

    Other views go to the model as they are, a tuple.
    """
    if not batch.crops:
        return model(batch.inputs)
    views = [model(view) for view in batch.inputs]
    return Outputs(
        torch.stack([view.logits for view in views]).mean(0), torch.stack([view.features for view in views]).mean(0)
    )


@torch.no_grad()
def predict_stream(
    predict: Callable[[Batch], Outputs],
    stream: Stream,
    runtime: Runtime,
    *,
    precision: str = "fp32",
    features: bool = False,
    advance: Callable[[int], None] | None = None,
) -> Predictions:
    """Run ``predict`` over every sample of ``stream`` exactly once, all processes together.

    Images that cannot be decoded are left out on every process; the stream counts them and names them in the log.

    Args:
        predict: Batch to :class:`~modelheir.types.Outputs`; put the model in evaluation mode first.
        stream: An evaluation stream; processes may hold unequal shares, or none.
        runtime: This process and its peers.
        precision: Of the forward pass; the logits come back in float32.
        features: Keep the penultimate features as well, ``(N, D)``.
        advance: Called with the number of images after each batch.

    Returns:
        Predictions in the stream's order, complete on every process.

    Raises:
        InputError: If undecodable images are more than ``inputs.max_bad_share`` of the split.
        ValueError: If the stream gave no batch, or left out a sample for another reason.
    """
    index: list[Tensor] = []
    logits: list[Tensor] = []
    kept: list[Tensor] = []
    for batch in stream.epoch(0):
        with runtime.autocast(precision):
            outputs = predict(batch)
        index.append(batch.index)
        logits.append(outputs.logits.float())
        if features:
            kept.append(outputs.features.float())
        if advance:
            advance(len(batch))
    none = torch.empty(0, dtype=torch.int64, device=runtime.device)
    rows = runtime.gather_rows(torch.cat(index) if index else none).cpu().numpy()
    if not len(rows):
        raise ValueError("nothing to evaluate: the stream gave no batch")
    found, position = np.unique(rows, return_index=True)  # joins by sample; a row sent twice counts once
    if len(found) != len(stream.ids):
        _account(stream, np.delete(np.arange(len(stream.ids)), found), runtime)
    values = gather_parts(logits, runtime)[position]
    return Predictions(
        sample_id=stream.ids[found],
        label=stream.labels[found],
        prediction=values.argmax(1).astype(np.int64),
        logits=values,
        classes=tuple(stream.classes),
        columns={name: values[found] for name, values in stream.columns.items()},
        features=gather_parts(kept, runtime)[position] if features else None,
    )


def gather_parts(parts: Sequence[Tensor], runtime: Runtime, *, dims: int = 2) -> np.ndarray:
    """Concatenate what all processes kept, batch by batch; a process without a batch takes part with no row.

    Args:
        parts: Float tensors of ``dims >= 2`` dimensions that differ in the first alone.
        runtime: This process and its peers.
        dims: Dimensions of a part, where this process has none.

    Returns:
        ``(N, ...)``, in process order; the same on every process.
    """
    own = torch.tensor([parts[0].shape[1:] if parts else (0,) * (dims - 1)], device=runtime.device)
    shape = runtime.gather_rows(own).amax(0).tolist()
    mine = torch.cat(list(parts)) if parts else torch.empty(0, *shape, device=runtime.device)
    return runtime.gather_rows(mine).cpu().numpy()


def _account(stream: Any, lost: np.ndarray, runtime: Runtime) -> None:
    """Check that the rows that no process gave are those that could not be decoded, and count them on each process."""
    mine = torch.zeros(1, len(stream.ids), dtype=torch.uint8, device=runtime.device)
    mine[0, list(getattr(stream, "skipped", ()))] = 1
    undecodable = runtime.gather_rows(mine).amax(0).cpu().numpy()
    if not undecodable[lost].all():
        raise ValueError(f"{len(lost)} of {len(stream.ids)} samples were not evaluated")
    stream.note({int(row): f"{stream.ids[row]}: found by another process" for row in lost})


def summarise(predictions: Predictions) -> dict[str, float]:
    """Return ``accuracy`` (fraction), ``loss`` (mean cross-entropy, nats) and, from six classes on, ``top5``.

    Over the labelled samples; empty where there is none.
    """
    known = predictions.label >= 0
    if not known.any() or predictions.logits is None:
        return {}
    right = predictions.prediction[known] == predictions.label[known]
    rows, loss, within = np.flatnonzero(known), np.empty(int(known.sum())), 0
    several = predictions.logits.shape[1] > 5
    with np.errstate(invalid="ignore"):  # a model that says infinity has no finite loss, and the log shows it
        for start in range(0, len(rows), 65_536):  # bounds the float64 copy
            part = rows[start : start + 65_536]
            logits, label = predictions.logits[part].astype(np.float64), predictions.label[part]
            top = logits.max(1)
            own = logits[np.arange(len(label)), label]
            loss[start : start + len(part)] = top + np.log(np.exp(logits - top[:, None]).sum(1)) - own
            within += int(in_top_k(logits, label, k=5).sum()) if several else 0
    found = {"accuracy": float(right.mean()), "loss": float(loss.mean())}
    return found | ({"top5": within / len(rows)} if several else {})
