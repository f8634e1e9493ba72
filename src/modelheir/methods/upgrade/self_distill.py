"""Self-distillation from a bank of the model's own past logits: a temporal ensemble in place of a teacher.

Laine and Aila, "Temporal Ensembling for Semi-Supervised Learning", 2017, arXiv:1610.02242; see
:class:`modelheir.objective.LogitBank` for the queue and where it differs.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

from modelheir import objective
from modelheir.checks import AtLeast, InputError, InRange
from modelheir.methods.method import Method
from modelheir.objective.distances import DISTANCES, DistanceConfig, LogitDifference, make_distance
from modelheir.objective.pull import need_unmixed
from modelheir.objective.supervised import SupervisedConfig, accept_supervised, make_supervised
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms, Outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelheir.config.run import TrainConfig
    from modelheir.methods.given import Given
    from modelheir.types import Batch, Step

__all__ = ["METHOD", "Config", "accept", "plan"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``self_distill``."""

    weight: Annotated[float, AtLeast(0)] = 1.0  #: of the distance to the bank
    length: Annotated[int, AtLeast(1)] = 4  #: past visits of an image that are averaged
    momentum: Annotated[float, InRange(0, 1)] = 0.2  #: share of the past in a new entry
    distance: DistanceConfig = dataclasses.field(
        default_factory=lambda: DistanceConfig(loss="logit_difference", logit_difference=LogitDifference(margin=0.5))
    )
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse settings that do not fit each other.

    Raises:
        InputError: If images are mixed: what a model said of a mixture is no target for one image. If there are so
            few epochs that no image would ever have a target. If the distance compares features.
    """
    accept_supervised(config.supervised, run.inputs)
    for key, name in zip(("loss", "mix_with"), config.distance.chosen, strict=False):
        if DISTANCES[name].reads == "features":
            raise InputError(
                f"method.distance.{key} = {name!r} compares features, and the bank keeps logits: choose another."
            )
    if config.weight > 0:
        need_unmixed(run.inputs, f"method.weight = {config.weight!r}")
        if run.fit.epochs <= config.length + 1:
            raise InputError(
                f"fit.epochs = {run.fit.epochs} does nothing with method.length = {config.length}: an image has a "
                f"target from epoch {config.length + 2} on; give more --epochs, or a smaller --method.length."
            )


def plan(config: Config, given: Given) -> list[Stage]:
    """One stage; the bank is saved with it."""
    return [Stage("train", lambda done: _task(config, given))]


def _task(config: Config, given: Given) -> Task:
    model, stream = given.model.build(), given.data.stream()
    supervised = make_supervised(config.supervised)
    distance, trained = make_distance(
        config.distance,
        classes=len(model.classes),
        new_features=model.feature_size,
        old_features=0,
        seed=given.model.seed,
    )
    bank = objective.LogitBank(
        len(stream.ids),
        len(model.classes),
        length=config.length,
        momentum=config.momentum,
        device=given.data.runtime.device,
    )

    def loss(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch = batches["train"]
        new = model(batch.inputs)
        past = bank.targets(batch.index)
        values = distance(new, Outputs(past.logits, new.features.detach()), batch.labels, step)
        bank.update(step.gather(batch.index), step.gather(new.logits.detach().float()))
        term = objective.Term(values, loss_weight=config.weight, weights=past.weights)
        return objective.combine(supervised(new, batch, step), {"bank": term}, gather=step.gather)

    return given.task({"model": model, **trained}, stream, loss, state={"bank": bank})


METHOD = Method(
    name="self_distill",
    summary="distil from the model's own past logits, which steadies what it says from release to release",
    situation="no teacher at hand, and a model that should change its mind less",
    not_for="with an old model at hand, or data that is seen only a few times",
    config=Config,
    plan=plan,
    accept=accept,
    paper="Laine and Aila, Temporal Ensembling, 2017, arXiv:1610.02242",
)
