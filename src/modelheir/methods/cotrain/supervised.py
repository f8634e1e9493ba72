"""Stages on labels alone, true or given: a head a view, and one head on all views side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelheir import losses
from modelheir.plans import Task
from modelheir.types import LossTerms

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from modelheir.data import VectorSet
    from modelheir.methods.cotrain.build import Build, Done, Node
    from modelheir.models import VectorHead
    from modelheir.types import Batch, Outputs, Step

__all__ = ["against_labels", "side_by_side", "views_alone", "views_task", "wide_task"]


def views_alone(build: Build) -> Node:
    """Add the stage of a head a view on the labels."""

    def prepare(done: Done) -> Task:
        return views_task(build, build.heads(), dict.fromkeys(build.names, build.labelled))

    return build.add("supervised", prepare)


def side_by_side(build: Build) -> Node:
    """Add the stage of one head on all views side by side, on the labels."""
    return build.add("concatenated", lambda done: wide_task(build, build.labelled))


def views_task(
    build: Build,
    heads: Mapping[str, VectorHead],
    sets: Mapping[str, VectorSet],
    *,
    class_weights: np.ndarray | None = None,
    **given: Any,
) -> Task:
    """Return a task in which every view learns from samples of its own; an epoch is as long as the pool's.

    Args:
        build: The seed's pieces.
        heads: One a view.
        sets: Head -> its samples, all with labels; the same object is read once for all.
        class_weights: ``(C,)``, of the classes in the loss; ``None``: all the same.
        **given: Of the task.
    """
    import torch

    first = next(iter(sets.values()))
    weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
    weights = None if weights is None else weights.to(build.given.data.runtime.device)
    shared = all(one is first for one in sets.values())
    used = {"train": first} if shared else sets
    streams = {name: build.repeated(build.views.stream(one, train=True, split=name)) for name, one in used.items()}

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        terms = {}
        for place, (name, head) in enumerate(heads.items()):
            batch = batches["train" if shared else name]
            terms[name] = against_labels(head(batch.inputs[place]), batch.labels, weights)
        return LossTerms(terms)

    return build.task(heads, streams, objective=objective, **given)


def wide_task(build: Build, vectors: VectorSet, **given: Any) -> Task:
    """Return a task in which one head on all views side by side learns from samples with labels."""
    import torch

    head = build.wide_head()

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch = batches["train"]
        return LossTerms({"all": against_labels(head(torch.cat(batch.inputs, 1)), batch.labels)})

    stream = build.repeated(build.views.stream(vectors, train=True, split="train"))
    return build.task({"all": head}, {"train": stream}, objective=objective, **given)


def against_labels(said: Outputs, labels: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Return the mean cross-entropy, where several heads are joined that of each, in the mean.

    Args:
        said: By a head, in training.
        labels: ``(N,)``, none is -1.
        class_weights: ``(C,)``, of the samples' classes in the mean.
    """
    share = None if class_weights is None else class_weights[labels] / class_weights[labels].sum()
    each = [losses.cross_entropy(logits, labels) for logits in said.auxiliary or (said.logits,)]
    each = [one.mean() if share is None else (share * one).sum() for one in each]
    return sum(each[1:], each[0]) / len(each)
