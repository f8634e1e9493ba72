r"""Distil: a small model learns from a large one, on images with and without labels, in up to three stages.

.. math:: L = \sum_e k_e \overline{\ell_e(\text{student}, \text{teacher})}
          + \tfrac{k_y}{N} \sum_{n\ \text{labelled}} \mathrm{CE}(z_n, y_n)

First the large set: labelled images and the pool without labels together. Then the labelled set alone at a hundredth
of the rate. Then, if asked for, the classifier alone at a higher resolution. The plan is that of SSLD: Cui et al.,
"Beyond Self-Supervision", 2021, arXiv:2103.05959; ``configs/distill/full.yaml`` has its recipe.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Annotated

from modelheir.checks import AtLeast, InputError
from modelheir.config.taps import parse_pair
from modelheir.config.teacher import TeacherConfig
from modelheir.methods.declared import ModelUse, PilotUse, SourceUse
from modelheir.methods.distill.after import FixConfig, TargetConfig, fix_task, larger, target_fit, widened
from modelheir.methods.distill.taught import NoiseConfig, taught_task
from modelheir.methods.given.pool import with_pool, without_labels
from modelheir.methods.method import Method
from modelheir.objective.distances import LOSSES, LossesConfig
from modelheir.objective.supervised import SupervisedConfig, accept_supervised
from modelheir.objective.teaching import accept_losses
from modelheir.plans import Stage, Task
from modelheir.types import StageResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelheir.config.fit import FitConfig
    from modelheir.config.run import TrainConfig
    from modelheir.methods.given import Given

__all__ = ["METHOD", "Config", "accept", "plan"]


@dataclasses.dataclass(frozen=True)
class _Distill:
    teacher: tuple[str, ...] = ()  #: models to learn from: run:DIR, file:PATH, tv:, timm:, pkg:, cache:DIR, predictions
    unlabelled: str = ""  #: images without labels, named as --data is; labels of them are not looked at
    start: str = ""  #: model whose weights the student begins with (run:DIR, file:PATH, pkg:NAME)
    label_weight: Annotated[float, AtLeast(0)] = (
        0.0  #: of the loss against labels: at 1 a label weighs like what the teacher says of one image; 0 learns from
        #: the teacher alone
    )
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)
    policy: TeacherConfig = dataclasses.field(default_factory=TeacherConfig)
    noise: NoiseConfig = dataclasses.field(default_factory=NoiseConfig)
    assistants: tuple[str, ...] = ()  #: networks between teacher and student, largest first: each teaches the next
    target: TargetConfig = dataclasses.field(default_factory=TargetConfig)
    fix: FixConfig = dataclasses.field(default_factory=FixConfig)


@dataclasses.dataclass(frozen=True)
class Config(LossesConfig, _Distill):
    """Settings of ``distill``."""

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        found = super().unread()
        return found if self.label_weight or self.fix.epochs else {**found, "supervised": "label_weight = 0.0"}

    @property
    def reads_labels(self) -> bool:
        """Whether the first two stages look at a label."""
        return self.label_weight > 0 or any(LOSSES[name].labels for name in self.losses)

    @property
    def reaches_classifier(self) -> bool:
        """Whether a loss of the first two stages depends on the student's logits."""
        weights = self.loss_weights or (1.0,) * len(self.losses)
        weighted = (name for name, weight in zip(self.losses, weights, strict=True) if weight)
        return self.label_weight > 0 or any(LOSSES[name].reads == "logits" for name in weighted)


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse a run without a teacher, and settings that do not fit each other."""
    if not config.teacher:
        why = "images without labels teach nothing alone" if config.unlabelled else "the model to learn from"
        raise InputError(
            f"train distill needs --teacher, {why}: run:DIR, file:PATH, tv:NAME, timm:NAME, pkg:NAME, predictions or "
            "cache:DIR."
        )
    accept_losses(config, run.inputs, labelled=not config.unlabelled)
    if not (config.reaches_classifier or config.start or config.fix.epochs):
        raise InputError(
            f"method.losses = {list(config.losses)} compare what lies before the classifier, which nothing trains: "
            "add one of logits, such as kl_distillation, or give --method.label_weight 1 or --method.fix.epochs 5."
        )
    accept_supervised(config.supervised, run.inputs)
    for pair in config.taps:
        parse_pair(pair)
    if config.start and config.assistants:
        raise InputError("method.start begins the student, and method.assistants have none: leave one of them out.")


def plan(config: Config, given: Given) -> list[Stage]:
    """One stage an assistant, then the student's: the large set, the labelled set, the classifier at a larger size.

    Raises:
        InputError: If the pool holds nothing new, or the student's weights depend on the size of the images.
    """
    pooled = given
    if config.unlabelled:
        pooled = dataclasses.replace(
            given, data=with_pool(given.data, given.sources["unlabelled"], flag="--unlabelled")
        )
    if not config.reads_labels:
        given_first = dataclasses.replace(pooled, data=without_labels(pooled.data))
        given_then = dataclasses.replace(given, data=without_labels(given.data))
    else:
        given_first, given_then = pooled, given
    chain = [f"assistant_{number}" for number in range(1, len(config.assistants) + 1)]
    stages = [
        Stage(name, functools.partial(_assistant, config, given_first, network, teacher))
        for name, network, teacher in zip(chain, config.assistants, ["", *chain], strict=False)
    ]
    last = chain[-1] if chain else ""
    stages.append(Stage("distill", functools.partial(_student, config, given_first, last, "", None)))
    if config.target.epochs:
        fit = target_fit(config.target, given.fit)
        stages.append(Stage("target", functools.partial(_student, config, given_then, last, "distill", fit)))
    if config.fix.epochs:
        before = stages[-1].name
        widened(config.fix, given.model.build(), larger(config.fix, given).data.image_size)  # refused now, not at last
        stages.append(Stage("fix", lambda done: _fixed(config, given, done[before])))
    return stages


def _assistant(config: Config, given: Given, network: str, teacher: str, done: Mapping[str, StageResult]) -> Task:
    """Train a network between teacher and student (Mirzadeh et al., 2020, arXiv:1902.03393)."""
    model = dataclasses.replace(given.model, name=network, asked=network)
    return taught_task(config, given, model.build(), done.get(teacher))


def _student(
    config: Config, given: Given, teacher: str, before: str, fit: FitConfig | None, done: Mapping[str, StageResult]
) -> Task:
    """Train the student: from its first weights, or on from a stage before."""
    start = given.models["start"].one("method.start") if config.start else None
    student = given.model.build() if start is None else given.model.begin_from(start)
    if before:
        student.load_state_dict(done[before].weights("model"))
    return taught_task(config, given, student, done.get(teacher), fit)


def _fixed(config: Config, given: Given, before: StageResult) -> Task:
    student = given.model.build()
    return fix_task(config.fix, larger(config.fix, given), student, before.weights("model"), config.supervised)


def _settle(config: Config, run: TrainConfig) -> Config:
    """Choose what was left open."""
    epochs = config.target.epochs
    if epochs < 0:
        epochs = max(1, round(run.fit.epochs / 8)) if config.unlabelled else 0
    precision = run.fit.precision if config.policy.precision == "auto" else config.policy.precision
    return dataclasses.replace(
        config,
        target=dataclasses.replace(config.target, epochs=epochs),
        policy=dataclasses.replace(config.policy, precision=precision),
    )


def _pilot(config: Config) -> PilotUse:
    """Compare with plain training on the labels; the last stage has no teacher and is left out."""
    kept = config.supervised if config.label_weight else SupervisedConfig()
    return PilotUse(
        settings=dataclasses.replace(config, fix=FixConfig(), supervised=kept),
        method="finetune",
        own={"start": config.start, "supervised": config.supervised},
        pool="unlabelled",
        target_epochs=config.target.epochs,
    )


METHOD = Method(
    name="distill",
    summary="learn from a larger model on images with and without labels: SSLD's stages, some thirty losses, Fix",
    situation="a large accurate teacher, and images without labels, for a small model that is as good",
    not_for="when the teacher is hardly better than a plain small model, or its old mistakes must not change (upgrade)",
    config=Config,
    plan=plan,
    accept=accept,
    flags={"teacher": "method.teacher", "unlabelled": "method.unlabelled"},
    sources=lambda config: {"unlabelled": SourceUse(config.unlabelled, labelled=False, flag="--unlabelled")},
    models=lambda config: {
        "teacher": ModelUse(config.teacher, teaches=True, flag="--teacher"),
        "start": ModelUse((config.start,), classes="same"),
    },
    start=lambda config, old: config.start,
    settle=_settle,
    pilot=_pilot,
    paper="Cui et al., Beyond Self-Supervision (SSLD), 2021, arXiv:2103.05959",
)
