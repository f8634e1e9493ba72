r"""Backward-compatible training (BCT): the new feature must also work with the old classifier, frozen beside the new.

.. math:: L = \mathrm{CE}(W_{new} f_{new}, y) + \lambda\, \mathrm{CE}(W_{old} f_{new}, y), \quad W_{old}\ \text{frozen}

Shen et al., "Towards Backward-Compatible Representation Learning", 2020, arXiv:2003.11942, eq. 5. The old head is
really the old model's (weights and bias) and reads the first coordinates of the new feature. A class that the old
model does not know gets a row in the direction of the mean old feature of its training images, computed once.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import numpy as np

from modelheir import losses, models, objective
from modelheir.checks import AtLeast, InputError, InRange, OneOf
from modelheir.classes import match_classes
from modelheir.methods.method import Method
from modelheir.models import blends
from modelheir.objective.supervised import SupervisedConfig, accept_supervised, make_supervised
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from modelheir.config.run import TrainConfig
    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.types import Batch, Step

__all__ = ["METHOD", "Config", "accept", "plan"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``bct``."""

    weight: Annotated[float, AtLeast(0)] = 1.0  #: lambda, of the loss through the old head
    blend: Annotated[float, InRange(0, 1)] = 0.0  #: share of the old head's logits at evaluation
    single_head: bool = False  #: keep only the frozen old head
    new_classes: Annotated[str, OneOf("synthesise", "leave_out")] = (
        "synthesise"  #: a row of the old head from mean old features for classes that it does not know, or none
    )
    projection: bool = False  #: learn a map from the new feature to the old width, for a narrower new model
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse settings that do not fit each other."""
    accept_supervised(config.supervised, run.inputs)


def plan(config: Config, given: Given) -> list[Stage]:
    """One stage."""
    return [Stage("train", lambda done: _task(config, given))]


def _task(config: Config, given: Given) -> Task:
    old = given.old.one("train bct")
    blends.need_one_network(old, "--old", "a feature space to stay in")
    model = models.transplant(
        given.model.build(),
        models.thawed_copy(old),
        head=_extended(old, given) if config.new_classes == "synthesise" else None,
        alpha=config.blend,
        single_head=config.single_head,
        projection=config.projection,
        seed=given.model.seed,
    )
    supervised = make_supervised(config.supervised)
    # the old head may have fewer columns
    classes = objective.ClassMap(match_classes(model.classes, model.old_classes))

    def loss(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch = batches["train"]
        new = model(batch.inputs)
        if config.single_head:
            return LossTerms(supervised(new, batch, step))
        through_old, *auxiliary = new.auxiliary
        terms = supervised(new._replace(auxiliary=tuple(auxiliary)), batch, step)
        shared = classes(new.logits, through_old, batch.labels)
        values = losses.cross_entropy(shared.old, shared.labels.clamp_min(0))
        return LossTerms(
            {**terms, "old_head": config.weight * losses.masked_mean(values, shared.mask, gather=step.gather)}
        )

    return given.task(model, given.data.stream(), loss, references={"classes": classes})


def _extended(old: Classifier, given: Given) -> nn.Linear | None:
    """Return the old head with rows for the classes that it lacks; ``None`` where it lacks none."""
    import torch

    data = given.data
    train = data.splits["train"]
    unseen = np.flatnonzero(match_classes(data.classes, old.classes).to_theirs < 0)
    if not len(unseen):
        return None
    absent = [data.classes[number] for number in unseen if not (train.labels == number).any()]
    if absent:
        raise InputError(
            f"class {absent[0]!r} is new to the old model and has no training image to make a row of its head from: "
            "add images, or give --method.new_classes leave_out."
        )
    shown = train.subset(np.isin(train.labels, unseen))
    inputs = dataclasses.replace(data.inputs, max_bad_share=1.0)  # undecodable ones count in the whole split
    stream = dataclasses.replace(data, splits={"train": shown}, inputs=inputs).stream(train=False)
    found = given.old.predict(models.Ensemble([old]), stream, features=True)
    assert found.features is not None
    labels = shown.labels[np.isin(shown.ids, found.sample_id)]
    return models.extend_head(old, data.classes, torch.as_tensor(found.features), torch.as_tensor(labels))


METHOD = Method(
    name="bct",
    summary="keep the old classifier working on the new features",
    situation="an old classifier or stored features that something downstream still uses",
    not_for="only to lower flips, which it hardly does",
    config=Config,
    plan=plan,
    accept=accept,
    needs_old=True,
    paper="Shen et al., Towards Backward-Compatible Representation Learning, 2020, arXiv:2003.11942",
)
