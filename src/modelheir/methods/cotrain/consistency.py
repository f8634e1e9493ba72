"""FixMatch and its kin on vectors: sure answers for a sample are the labels of a noisier one. All views side by side.

Which predictions teach is ``consistency.labels.threshold``: fixed (FixMatch), flexmatch, freematch or softmatch. As
images are not there to be changed, noise is added to the vectors (:mod:`modelheir.objective.consistency`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.methods.cotrain.supervised import against_labels
from modelheir.objective import consistency, thresholds

if TYPE_CHECKING:
    from modelheir.methods.cotrain.build import Build, Done, Node
    from modelheir.plans import Task
    from modelheir.types import Batch, LossTerms, Step

__all__ = ["noisy_views"]


def noisy_views(build: Build) -> Node:
    """Add the stage of one head on all views side by side that agrees with itself under noise."""
    return build.add("consistency", lambda done: _task(build, done))


def _task(build: Build, done: Done) -> Task:
    import torch

    config, head, device = build.config.consistency, build.wide_head(), build.given.data.runtime.device
    moments = [torch.cat(parts).to(device) for parts in zip(*build.moments, strict=True)]
    labels = thresholds.make_pseudo_labels(
        config.labels,
        classes=len(build.labelled.classes),
        samples=len(build.pool),
        labelled=np.bincount(build.labelled.labels, minlength=len(build.labelled.classes)).tolist(),
        device=device,
    )
    run: Callable[[Mapping[str, Batch], Step], LossTerms] = consistency.vector_consistency(
        head,
        config,
        labels,
        lambda said, batch, step: {"all": against_labels(said, batch.labels)},
        mean=moments[0],
        deviation=moments[1],
    )

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        wide: dict[str, Any] = {
            name: dataclasses.replace(batch, inputs=torch.cat(batch.inputs, 1)) for name, batch in batches.items()
        }
        return run(wide, step)

    streams = {
        "unlabelled": build.views.stream(build.pool, train=True, split="unlabelled"),
        "train": build.views.stream(build.labelled, train=True, split="train"),
    }
    return build.task({"all": head}, streams, objective=objective, state={"labels": labels})
