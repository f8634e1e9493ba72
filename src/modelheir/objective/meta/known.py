"""Labelled samples as the meta steps read them, and gradients of mean losses, micro-batch by micro-batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from modelheir.losses import cross_entropy
from modelheir.objective.meta.heads import added

if TYPE_CHECKING:
    from modelheir.types import Batch, Step

__all__ = ["Known", "known_loss", "known_samples", "mean_gradients"]


class Known(NamedTuple):
    """Labelled samples of a step."""

    inputs: Mapping[str, Tensor]  #: module -> ``(b, D)``
    labels: Tensor  #: int64 ``(b,)``; -1 counts nothing
    weights: Tensor | None  #: ``(b,)``, what each counts in the mean of all processes; ``None``: the same


def known_samples(batch: Batch, inputs: Mapping[str, Tensor], step: Step) -> Known:
    """Return the labelled samples of a batch, so that a mean over them is that over those of all processes."""
    if batch.labelled:
        return Known(inputs, batch.labels, None)
    counts = (batch.labels >= 0).float()
    return Known(inputs, batch.labels, counts / step.mean(counts.mean()).clamp_min(1e-12))


def known_loss(logits: Tensor, known: Known, rows: slice = slice(None)) -> Tensor:
    """Return the mean cross-entropy of logits ``(n, C)`` of some of the samples, a scalar."""
    values = cross_entropy(logits, known.labels[rows])
    return (values if known.weights is None else values * known.weights[rows]).mean()


def mean_gradients(
    modules: Mapping[str, nn.Module],
    loss: Callable[[str, nn.Module, slice], Tensor],
    count: int,
    step: Step,
    *,
    parts: int = 1,
) -> tuple[dict[str, Tensor], dict[Tensor, Tensor]]:
    """Return each module's mean loss over the rows of a batch, and the gradients of all in one message a micro-batch.

    Args:
        modules: Name -> module; no two share a parameter.
        loss: From a name, its module and some rows to the mean loss over these, a scalar.
        count: Rows in the batch, ``>= 1``.
        step: The engine's, which averages over processes.
        parts: Micro-batches; the last may be smaller, and counts by its rows.
    """
    values: dict[str, Tensor] = {}
    gradients: dict[Tensor, Tensor] = {}
    size = -(-count // parts)
    for start in range(0, count, size):
        rows = slice(start, min(start + size, count))
        share = (rows.stop - start) / count
        found = {name: share * loss(name, module, rows) for name, module in modules.items()}
        gradients = added(gradients, step.gradients(torch.stack(list(found.values())).sum(), *modules.values()))
        values = {name: one.detach() + values.get(name, 0) for name, one in found.items()}
    return values, gradients
