r"""Upgrade: train the next model close to the old one where the old one was right (positive-congruent training).

.. math:: L = \mathrm{CE}(z, y) + \lambda \tfrac{1}{N} \sum_n (\alpha + \beta\, r_n)\, D(z_n, z^{old}_n),
          \quad r_n = 1[\text{old model right on } n]

Yan et al., "Positive-Congruent Training", 2021, arXiv:2011.09161, eq. 5 to 7. The default is focal distillation
(FD-KL); other distances, filters and teachers are settings. Ours differs: the weights are scaled to mean 1 over a
batch unless ``normalize`` is off, so that ``weight`` alone sets the strength.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Annotated, Any

from modelheir import losses, objective, runs
from modelheir.checks import AtLeast, InputError, OneOf
from modelheir.classes import match_classes
from modelheir.config.describe import settings
from modelheir.methods.given import plain_stage
from modelheir.methods.method import Method
from modelheir.objective.distances.choice import DistanceConfig
from modelheir.objective.pull import Pull, Towards, accept_pull, need_unmixed
from modelheir.objective.supervised import SupervisedConfig, accept_supervised, make_supervised
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms, StageResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from modelheir.config.run import TrainConfig
    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.types import Batch, Step, Stream

__all__ = ["METHOD", "Config", "accept", "distilled_task", "plan"]

#: scheme -> what it reads of ``pull``, ``distance`` and ``new_class_bias``, by how the keys begin
_READ = {
    "distance": ("method.pull.", "method.distance."),
    "muscle": (
        *("method.pull.weight", "method.pull.mix_alpha", "method.pull.start_epoch"),
        "method.distance.kl_distillation.",
    ),
}
_READ["double_source"] = (*_READ["muscle"], "method.pull.base", "method.pull.focus", "method.new_class_bias")


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``upgrade``."""

    pull: Pull = dataclasses.field(default_factory=Pull)
    distance: DistanceConfig = dataclasses.field(default_factory=DistanceConfig)
    scheme: Annotated[str, OneOf("distance", "muscle", "double_source")] = "distance"  #: others train a plain one first
    likelihoods: str = ""  #: Parquet with sample_id and likelihood, for the filter and for weighted cross-entropy
    new_class_bias: Annotated[float, AtLeast(0)] = 0.0  #: double_source: logits added to new classes in training
    start_from_old: bool = False  #: begin with the old model's weights (one old model, same architecture)
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse settings that do not fit each other.

    Raises:
        InputError: If a setting has no effect under the scheme, images are mixed and a setting needs one label an
            image, or likelihoods are missing.
    """
    _refuse_unread(config)
    accept_supervised(config.supervised, run.inputs, likelihoods=bool(config.likelihoods))
    if config.scheme == "distance":
        accept_pull(run.inputs, config.pull, config.distance)
    else:
        need_unmixed(run.inputs, f"method.scheme = {config.scheme!r}")
    if config.pull.filter == "likelihood" and not config.likelihoods:
        raise InputError("method.pull.filter = 'likelihood' needs --method.likelihoods FILE: sample_id, likelihood.")


def plan(config: Config, given: Given) -> list[Stage]:
    """Train; with ``muscle`` and ``double_source`` a plain model first, which becomes a second teacher."""
    if config.scheme == "distance":
        return [Stage("train", lambda done: _task(config, given, None))]
    return [
        plain_stage("plain", given.member(1), config.supervised, extra=functools.partial(_extra, config, given)),
        Stage("train", lambda done: _task(config, given, done["plain"])),
    ]


def _refuse_unread(config: Config) -> None:
    """Refuse the first setting that was given and that the scheme would leave aside."""
    said = settings(Config, "method", start=config)
    for one, usual in zip(said, settings(Config, "method"), strict=True):
        ours = one.key.startswith(("method.pull.", "method.distance.", "method.new_class_bias"))
        if ours and one.default != usual.default and not one.key.startswith(_READ[config.scheme]):
            raise InputError(
                f"{one.key} = {one.default!r} has no effect with method.scheme = {config.scheme!r}, which reads "
                f"{', '.join(key.rstrip('.') for key in _READ[config.scheme])}: leave it out."
            )


def _task(config: Config, given: Given, plain: StageResult | None) -> Task:
    model = given.begin_from_old("method.start_from_old") if config.start_from_old else given.model.build()
    stream = given.data.stream(extra=_extra(config, given))
    teacher = given.old.teacher(stream)
    if plain is None:
        return distilled_task(config, given, model, teacher, stream)
    independent = given.model.build()
    independent.load_state_dict(plain.weights("model"))
    return _two_teachers(config, given, model, teacher, given.old.frozen([independent], stream), stream)


def distilled_task(config: Config, given: Given, model: Classifier, teacher: Any, stream: Stream) -> Task:
    """Return the task of a student and one frozen teacher: supervised loss plus one filtered distance.

    Args:
        config: Settings.
        given: Data and settings of the run.
        model: The student.
        teacher: Called with a batch, returns ``Outputs``; has ``classes`` and ``feature_size``.
        stream: The training stream.
    """
    supervised = make_supervised(config.supervised)
    towards = Towards(teacher, model, config.pull, config.distance, seed=given.model.seed)

    def loss(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch = batches["train"]
        old = towards.target(batch, step)  # before the student, whose activations then fill the memory once
        new = model(batch.inputs)
        task = supervised(new, batch, step)
        if old is None:
            return LossTerms(task)
        term = {config.distance.loss: towards.term(new, old, batch, step)}
        return objective.combine(task, term, mix_alpha=config.pull.share, gather=step.gather)

    return given.task({"model": model, **towards.modules}, stream, loss, references=towards.references)


def _two_teachers(config: Config, given: Given, model: Classifier, old: Any, independent: Any, stream: Stream) -> Task:
    supervised, pull, kl = make_supervised(config.supervised), config.pull, vars(config.distance.kl_distillation)
    classes = objective.ClassMap(match_classes(model.classes, old.classes))
    if config.scheme == "muscle" and not classes.identical:
        raise InputError("method.scheme = 'muscle' needs the same classes in the old and the new model.")

    def distance(new: Tensor, before: Tensor, plain: Tensor, labels: Tensor) -> Tensor:
        if config.scheme == "muscle":
            return objective.muscle_distillation(new, before, plain, labels, **kl)
        before = before.index_select(1, classes.old_index)
        return objective.double_source_distillation(
            new, before, plain, labels, classes.new_index, base=pull.base, scale=pull.focus, **kl
        )

    def loss(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch, terms = batches["train"], {}
        targets = [teacher(batch).logits for teacher in (old, independent)] if pull.on(step) else []
        new = model(batch.inputs)
        if targets:
            values = distance(new.logits, targets[0], targets[1], batch.labels)
            terms = {config.scheme: objective.Term(values, loss_weight=pull.weight)}
        if config.new_class_bias:
            new = new._replace(
                logits=losses.margin_calibration(new.logits, classes.is_new(), bias=config.new_class_bias)
            )
        return objective.combine(supervised(new, batch, step), terms, mix_alpha=pull.share, gather=step.gather)

    references = {"teacher": old, "independent": independent, "classes": classes}
    return given.task(model, stream, loss, references=references)


def _extra(config: Config, given: Given) -> dict[str, Tensor] | None:
    """Read the likelihood of each training image, where there is a file of them."""
    if not config.likelihoods:
        return None
    import torch

    found = runs.read_column(config.likelihoods, "likelihood", given.data.splits["train"].ids)
    return {"likelihood": torch.as_tensor(found, dtype=torch.float32)}


METHOD = Method(
    name="upgrade",
    summary="stay close to the old model where it was right: focal distillation, logit matching, LDI, CNA and more",
    situation="an old model in production whose right answers must stay right",
    not_for="when the old model is no better than chance here, or an ensemble at every release is affordable (elodi)",
    config=Config,
    plan=plan,
    accept=accept,
    start=lambda config, old: old[0] if config.start_from_old and old else "",
    needs_old=True,
    paper="Yan et al., Positive-Congruent Training, 2021, arXiv:2011.09161",
)
