"""ELODI: train an ensemble of one architecture, then distil its mean logits into one model, at every generation.

Two models that were each distilled from such an ensemble disagree about as little as the ensembles do.
Zhao et al., "ELODI: Ensemble Logit Difference Inhibition for Positive-Congruent Training", 2022, arXiv:2205.06265.
The paper's loss is a share of 0.8 LDI on all logits but the label's. Ours differs by default: the squared difference of
all logits, added to the task loss, which cost no accuracy where the share did (docs/evidence/upgrade_large.md);
``configs/elodi/full.yaml`` is the paper's. With ``--old`` a second pull to the old model can be added, for a legacy
model that was trained plainly.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

from modelheir import objective
from modelheir.checks import AtLeast, InputError
from modelheir.methods.declared import ModelUse
from modelheir.methods.given import plain_stage
from modelheir.methods.method import Method
from modelheir.objective.distances import DistanceConfig, LogitDifference
from modelheir.objective.pull import Pull, Towards, accept_pull
from modelheir.objective.supervised import SupervisedConfig, accept_supervised, make_supervised
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms, StageResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelheir.config.run import TrainConfig
    from modelheir.methods.given import Given
    from modelheir.types import Batch, Step

__all__ = ["METHOD", "Config", "accept", "plan"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``elodi``."""

    members: Annotated[int, AtLeast(1)] = 8  #: models in the ensemble, each with its own seeds
    ensemble: tuple[str, ...] = ()  #: members that are trained already (run:DIR, file:PATH), in place of new ones
    pull: Pull = dataclasses.field(default_factory=lambda: Pull(filter="all_pass"))  #: towards the ensemble
    distance: DistanceConfig = dataclasses.field(
        default_factory=lambda: DistanceConfig(loss="logit_matching", logit_difference=LogitDifference(margin=0.0))
    )  #: from the ensemble's mean logits
    old_pull: Pull = dataclasses.field(
        default_factory=lambda: Pull(weight=0.0)
    )  #: towards ``--old``; weight 0 is off, mix_alpha is pull's
    old_distance: DistanceConfig = dataclasses.field(default_factory=DistanceConfig)  #: from the old model
    start_from_old: bool = False  #: the student begins with the old model's weights (one old model, same architecture)
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse settings that do not fit each other.

    Raises:
        InputError: If a setting of the second pull would have no effect, or images are mixed and a pull needs labels.
    """
    accept_supervised(config.supervised, run.inputs)
    accept_pull(run.inputs, config.pull, config.distance)
    accept_pull(run.inputs, config.old_pull, config.old_distance, name="old_")
    if config.old_pull.mix_alpha != Pull.mix_alpha:
        raise InputError(
            f"method.old_pull.mix_alpha = {config.old_pull.mix_alpha!r} has no effect: one share mixes both pulls with "
            "the task, so give method.pull.mix_alpha, and method.old_pull.weight for the strength of this pull."
        )
    if config.old_pull.weight > 0 and not run.old:
        raise InputError(
            f"method.old_pull.weight = {config.old_pull.weight!r} needs an old model to pull to: give --old, or set it "
            "to 0."
        )


def plan(config: Config, given: Given) -> list[Stage]:
    """Train the members one by one, then the student; what is finished is not trained again."""
    names = [] if config.ensemble else [f"member_{number}" for number in range(config.members)]
    members = [
        plain_stage(name, given.member(number + 1), config.supervised) for number, name in enumerate(names)
    ]  # seeds of their own: the student is not one of them
    return [*members, Stage("student", lambda done: _student(config, given, [done[name] for name in names]))]


def _student(config: Config, given: Given, members: list[StageResult]) -> Task:
    ensemble = list(given.models["ensemble"].models) if config.ensemble else []
    for member in members:
        model = given.model.build()
        model.load_state_dict(member.weights("model"))
        ensemble.append(model)
    student = given.begin_from_old("method.start_from_old") if config.start_from_old else given.model.build()
    stream = given.data.stream()
    supervised = make_supervised(config.supervised)
    towards = {
        "ensemble": Towards(
            given.old.frozen(ensemble, stream), student, config.pull, config.distance, seed=given.model.seed
        )
    }
    if config.old_pull.weight > 0:
        towards["old"] = Towards(
            given.old.teacher(stream), student, config.old_pull, config.old_distance, seed=given.model.seed, name="old_"
        )

    def loss(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch = batches["train"]
        targets = {name: one.target(batch, step) for name, one in towards.items()}
        new = student(batch.inputs)
        terms = {
            name: towards[name].term(new, target, batch, step) for name, target in targets.items() if target is not None
        }
        return objective.combine(supervised(new, batch, step), terms, mix_alpha=config.pull.share, gather=step.gather)

    modules, references = {"model": student}, {}
    for one in towards.values():
        modules |= one.modules
        references |= one.references
    return given.task(modules, stream, loss, references=references)


METHOD = Method(
    name="elodi",
    summary="distil the mean of an ensemble into one model at every generation: few flips and no more errors",
    situation="an old model in production, and a training budget of several runs for each release",
    not_for="a single upgrade of a plain model on a small budget: upgrade reaches fewer flips with one training",
    config=Config,
    plan=plan,
    accept=accept,
    models=lambda config: {"ensemble": ModelUse(config.ensemble, teaches=True, classes="same")},
    start=lambda config, old: old[0] if config.start_from_old and old else "",
    paper="Zhao et al., ELODI, 2022, arXiv:2205.06265",
)
