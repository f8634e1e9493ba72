"""The task of a student and its teacher, which every stage of distillation but the last is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from modelheir import losses, models
from modelheir.checks import AtLeast, InRange
from modelheir.objective.supervised import SupervisedConfig, make_supervised
from modelheir.objective.teaching import Teaching
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.config.fit import FitConfig
    from modelheir.config.teacher import TeacherConfig
    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.plans import Task
    from modelheir.types import Batch, StageResult, Step, Stream

__all__ = ["NoiseConfig", "taught_task"]


@dataclasses.dataclass(frozen=True)
class NoiseConfig:
    """Noise on the teacher's logits, as if several had answered: see :mod:`modelheir.losses.logits.noisy_teacher`."""

    std: Annotated[float, AtLeast(0)] = 0.0  #: standard deviation of the relative noise on the teacher's logits; 0: off
    share: Annotated[float, InRange(0, 1)] = 0.5  #: of the images, drawn anew at each step

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        return {} if self.std else {"share": "std = 0.0"}


class _Settings(Protocol):
    """What a task reads of a method's settings, beside the losses themselves."""

    @property
    def label_weight(self) -> float: ...

    @property
    def supervised(self) -> SupervisedConfig: ...

    @property
    def policy(self) -> TeacherConfig: ...

    @property
    def noise(self) -> NoiseConfig: ...


def _teacher_of(given: Given, policy: TeacherConfig, trained: StageResult | None) -> Callable[[Stream], Any]:
    """Return what makes the frozen teacher for a stream: those that were given, or one that was trained before."""
    teachers = dataclasses.replace(given.models["teacher"], data=given.data, policy=policy, weights=policy.weights)
    if trained is None:
        return teachers.teacher
    model = models.from_spec(trained.describe["model"])
    model.load_state_dict(trained.weights("model"))
    return lambda stream: teachers.frozen([model], stream)


def taught_task(
    config: Any, given: Given, student: Classifier, trained: StageResult | None, fit: FitConfig | None = None
) -> Task:
    """Return the task of a student that learns from a teacher on the training split of ``given``.

    Args:
        config: Losses, with ``label_weight``, ``supervised``, ``policy`` and ``noise``.
        given: Data and settings of the run.
        student: The network to train.
        trained: The stage that trained the teacher; ``None``: the teachers that were given.
        fit: Settings of this stage alone; ``None``: the run's.
    """
    settings: _Settings = config
    stream = given.data.stream()
    teacher = _teacher_of(given, settings.policy, trained)
    teaching = Teaching(teacher(stream), student, config, image_size=given.data.image_size, seed=given.model.seed)
    if not settings.label_weight:
        teaching.need_every_class()
    supervised, noise = make_supervised(settings.supervised), settings.noise

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch = batches["train"]
        said, seen = teaching.target(batch)  # before the student, whose activations then fill the memory once
        if noise.std:
            stretched = losses.noisy_teacher(
                said.logits, generator=step.device_generator, std=noise.std, probability=noise.share
            )
            said = said._replace(logits=stretched)
        new = teaching.student_outputs(batch)
        terms = teaching.terms(new, (said, seen), batch, step)
        if settings.label_weight:
            weight = settings.label_weight * _labelled_share(batch, step)
            terms = {name: weight * value for name, value in supervised(new[0], batch, step).items()} | terms
        return LossTerms(terms)

    task = given.task({"model": student, **teaching.modules}, stream, objective, references=teaching.references)
    weighted = dict(zip(teaching.names, teaching.weights, strict=True))
    told = {
        "teachers": _shares(given, settings.policy) if trained is None else [[trained.name, 1.0]],
        "losses": {**weighted, **({"labels": settings.label_weight} if settings.label_weight else {})},
    }
    return dataclasses.replace(task, fit=fit, describe={**task.describe, "taught": told})


def _shares(given: Given, policy: TeacherConfig) -> list[list[Any]]:
    """Return each teacher's address and its share in their mean."""
    addresses = given.models["teacher"].addresses
    weights = policy.weights or (1.0,) * len(addresses)
    return [[address, weight / sum(weights)] for address, weight in zip(addresses, weights, strict=True)]


def _labelled_share(batch: Batch, step: Step) -> Any:
    """Return the share of the whole batch's images that have a label.

    With it a label weighs like what the teacher says of one image, however few labels there are beside a pool: means
    over the labelled images alone would let these few decide.
    """
    if batch.labelled or batch.targets is not None:
        return 1.0
    return step.gather((batch.labels >= 0).float()).mean()
