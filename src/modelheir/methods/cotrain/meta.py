"""Stages in which labels are made step by step and corrected by what they were worth: MCT and MPL.

Both begin from weights that were trained on the labels alone, with a rate of ``meta_rate`` times the run's and
gradients clipped to norm 1 where ``fit.clip_norm`` says nothing, as published: Rothenberger and Diochnos, 2023,
arXiv:2311.18083; Pham et al., 2021, arXiv:2003.10580.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelheir.methods.cotrain.supervised import against_labels, side_by_side, views_alone
from modelheir.objective import meta
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from torch import nn

    from modelheir.methods.cotrain.build import Build, Done, Node
    from modelheir.models import VectorHead
    from modelheir.plans import Task
    from modelheir.types import Batch, Step, Stream

__all__ = ["meta_co_training", "meta_pseudo_labels"]


def meta_co_training(build: Build) -> Node:
    """Add the stage in which views teach each other, from the heads that were trained on the labels."""
    (before,) = views_alone(build)

    def prepare(done: Done) -> Task:
        import torch

        heads = build.loaded(done[before])
        update = meta.MetaCoTraining(
            heads, build.config.mct, prior=torch.tensor(build.prior, dtype=torch.float32), where="method.mct"
        )
        return _task(build, heads, heads, update)

    return build.add("mct", prepare)


def meta_pseudo_labels(build: Build) -> Node:
    """Add the stages of a teacher and a student on all views side by side; then the student learns from the labels."""
    (before,) = side_by_side(build)

    def prepare(done: Done) -> Task:
        import torch

        (teacher,) = build.loaded(done[before]).values()
        student = build.wide_head()
        update = meta.MetaPseudoLabels(
            teacher, student, build.config.mpl, prior=torch.tensor(build.prior, dtype=torch.float32), where="method.mpl"
        )

        def step(batches: Mapping[str, Batch], at: Step) -> LossTerms:
            wide = {
                name: dataclasses.replace(batch, inputs=torch.cat(batch.inputs, 1)) for name, batch in batches.items()
            }
            return update(wide, at)

        return _task(build, {"all": student}, {"teacher": teacher, "student": student}, update, step)

    (taught,) = build.add("mpl", prepare)

    def tuned(done: Done) -> Task:
        import torch

        heads = build.loaded(done[taught])

        def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
            batch = batches["train"]
            said = heads["all"](torch.cat(batch.inputs, 1))
            return LossTerms({"all": against_labels(said, batch.labels)})

        stream = build.repeated(build.views.stream(build.labelled, train=True, split="train"))
        return build.task(heads, {"train": stream}, objective=objective, fit=_fit(build))

    return taught, *build.add("mpl_tuned", tuned)


def _task(
    build: Build, published: Mapping[str, VectorHead], trained: Mapping[str, nn.Module], update: Any, step: Any = None
) -> Task:
    """Return a task with an optimiser a head; the pool is an epoch, and the labelled samples repeat."""
    streams: dict[str, Stream] = {
        "unlabelled": build.views.stream(build.pool, train=True, split="unlabelled"),
        "train": build.views.stream(build.labelled, train=True, split="train"),
    }
    task = build.task(published, streams, update=step or update, state={"meta": update}, fit=_fit(build))
    modules = {**task.modules, **trained}
    return dataclasses.replace(task, modules=modules, optimizers={name: (name,) for name in trained})


def _fit(build: Build) -> Any:
    fit = build.given.fit
    return dataclasses.replace(fit, lr=fit.lr * build.config.meta_rate, clip_norm=fit.clip_norm or 1.0)
