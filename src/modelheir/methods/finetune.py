"""Plain training: cross-entropy on the labels, from random, pretrained or an earlier run's weights. The baseline."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

from modelheir.checks import OneOf
from modelheir.methods.method import Method
from modelheir.objective.supervised import SupervisedConfig, make_supervised
from modelheir.types import LossTerms, Stage, StageResult, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelheir.methods.given.parts import Parts
    from modelheir.types import Batch, Step

__all__ = ["METHOD", "Config", "plain_stage", "plan"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``finetune``."""

    start: str = ""  #: model whose weights to start from (run:DIR, file:PATH); "" starts from ``--model`` as built
    replace_head: bool = False  #: start: another class list; rows of classes that the start does not know begin anew
    trainable: Annotated[str, OneOf("all", "linear")] = "all"  #: linear freezes all but linear layers, norms included
    reinit_linear: bool = False  #: linear: draw the classifier anew first
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)


def plan(config: Config, parts: Parts) -> list[Stage]:
    """One stage."""
    return [plain_stage("train", config, parts)]


def plain_stage(name: str, config: Config, parts: Parts, *, start_from_old: bool = False) -> Stage:
    """Return a stage of plain training; other methods use it for members and for models trained without a teacher.

    With ``start_from_old`` it begins from the one old model, classes matched as ``parts.old_models`` does.
    """

    def prepare(done: Mapping[str, StageResult]) -> Task:
        from modelheir.models import linear_only

        if start_from_old:
            model = parts.old_copy()
        elif config.start:
            from modelheir.models import from_spec, load
            from modelheir.models.blends.interpolate import copy_weights

            start = load(config.start, classes=None if config.replace_head else parts.classes)
            spec = {**start.spec, "classes": list(parts.classes), "seed": parts.init_seed}
            model = start if start.classes == parts.classes else copy_weights(start, from_spec(spec))
        else:
            model = parts.new_model()
        if config.trainable == "linear":
            linear_only(model, reinit=config.reinit_linear, seed=parts.init_seed)
        supervised = make_supervised(config.supervised)

        def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
            batch = batches["train"]
            return LossTerms(supervised(model(batch.inputs), batch, step))

        return parts.task(model, parts.stream(), objective)

    return Stage(name, prepare)


METHOD = Method(
    name="finetune",
    summary="plain training on the labels; the baseline every other method is compared with",
    situation="labelled images, and nothing that must not break",
    not_for="when an older model is in production: two plain models of equal accuracy disagree on many images",
    config=Config,
    plan=plan,
    start=lambda config, old: config.start,
)
