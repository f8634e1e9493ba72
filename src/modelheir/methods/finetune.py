"""Plain training: cross-entropy on the labels, from random, pretrained or an earlier run's weights. The baseline."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from modelheir import models
from modelheir.methods.declared import ModelUse
from modelheir.methods.given import plain_stage
from modelheir.methods.method import Method
from modelheir.objective.supervised import SupervisedConfig, accept_supervised

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.plans import Stage

__all__ = ["METHOD", "Config", "accept", "plan"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``finetune``."""

    start: str = ""  #: model to start from (run:DIR, file:PATH, pkg:NAME); "" starts from ``--model`` as built
    replace_head: bool = False  #: start: another class list; rows of classes that the start does not know begin anew
    reinit_linear: bool = False  #: draw the classifier layer anew first, such as for ``--trainable linear``
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        return {} if self.start else {"replace_head": "start = ''"}


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse settings that do not fit each other."""
    accept_supervised(config.supervised, run.inputs)


def plan(config: Config, given: Given) -> list[Stage]:
    """One stage."""
    return [plain_stage("train", given, config.supervised, start=lambda: _start(config, given))]


def _start(config: Config, given: Given) -> Classifier:
    """Make the model to train."""
    start = given.models["start"].one("method.start") if config.start else None
    model = given.model.build() if start is None else given.model.begin_from(start)
    if config.reinit_linear:
        models.draw_head(model, seed=given.model.seed)
    return model


def _models(config: Config) -> dict[str, ModelUse]:
    return {"start": ModelUse((config.start,), classes="any" if config.replace_head else "same")}


METHOD = Method(
    name="finetune",
    summary="plain training on the labels; the baseline every other method is compared with",
    situation="labelled images, and nothing that must not break",
    not_for="when an older model is in production: two plain models of equal accuracy disagree on many images",
    config=Config,
    plan=plan,
    accept=accept,
    models=_models,
    start=lambda config, old: config.start,
    draws_head=lambda config, known: config.reinit_linear or (config.replace_head and not known),
)
