r"""Weight interpolation (BCWI): fine-tune from the old weights, then blend old and new; the selection split chooses.

.. math:: \theta = \alpha\, \theta_{old} + (1 - \alpha)\, \theta_{new}
          \quad\text{or}\quad \theta = \frac{\alpha F \theta_{old} + (1 - \alpha)\, \theta_{new}}{\alpha F + 1 - \alpha}

Schumann et al., "Backward Compatibility During Data Updates by Weight Interpolation", 2023, arXiv:2301.10546. There
the models are text classifiers; here batch-norm statistics can be recomputed after blending, which text models lack.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Annotated

import numpy as np

from modelheir.checks import AtLeast, InRange, OneOf
from modelheir.classes import match_classes
from modelheir.methods.given import plain_stage
from modelheir.methods.method import Method
from modelheir.models import blends
from modelheir.objective.supervised import SupervisedConfig, accept_supervised
from modelheir.plans import Stage, Task
from modelheir.types import StageResult

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.methods.given import Given
    from modelheir.models import Classifier

__all__ = ["METHOD", "Config", "accept", "plan"]


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``interpolate``."""

    kind: Annotated[str, OneOf("plain", "fisher")] = "plain"  #: fisher weighs parameters by their information in old
    new_models: Annotated[int, AtLeast(1)] = 1  #: fine-tuned models averaged before the blend
    alphas: Annotated[tuple[float, ...], InRange(0, 1)] = ()  #: shares of old to try besides 0; () is a grid
    tolerance: Annotated[float, AtLeast(0)] = 0.0  #: accuracy that a blend may lose against the new model, a fraction
    recalibrate: bool = True  #: recompute batch-norm statistics on the training images after blending
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse settings that do not fit each other."""
    accept_supervised(config.supervised, run.inputs)


def plan(config: Config, given: Given) -> list[Stage]:
    """Fine-tune each new model from the old weights, then blend; the blend trains nothing."""
    given.model.accept_start(given.old.one("train interpolate"))
    names = [f"new_{number}" for number in range(config.new_models)]
    return [
        *(
            plain_stage(name, member, config.supervised, start=functools.partial(member.begin_from_old, "interpolate"))
            for name, member in ((name, given.member(number)) for number, name in enumerate(names))
        ),
        Stage("blend", lambda done: _blend(config, given, [done[name] for name in names])),
    ]


def _blend(config: Config, given: Given, finished: list[StageResult]) -> Task:
    data, device = given.data, given.data.runtime.device
    old = given.old.one("train interpolate").to(device)
    news = []
    for result in finished:
        model = given.model.like(old).to(device)
        model.load_state_dict(result.weights("model"))
        news.append(model)
    selection = data.evaluation()["val"]
    # Every process reads all training images, so that all arrive at the same statistics, Fisher information and blend,
    # and in one mixed order: a batch of one class would hide how far classes lie apart.
    train = data.splits["train"]
    mixed = {"train": train.subset(np.random.default_rng(data.seed).permutation(len(train)))}
    calm = dataclasses.replace(data, splits=mixed).stream("train", train=False, rank=0, world=1)
    varied = data.stream("train", rank=0, world=1)  # as in training: what is known by heart looks other than new images
    fisher = blends.empirical_fisher(old, calm.epoch(0)) if config.kind == "fisher" else None

    def blend(alpha: float) -> Classifier:
        model = blends.interpolate_models(old, news, alpha, fisher=fisher)
        if config.recalibrate and 0 < alpha < 1:
            blends.recalibrate(model, varied.epoch(0))
        return model

    numbers = match_classes(data.classes, old.classes).to_ours
    numbers = np.where(numbers < 0, -2, numbers)  # -2 is no label, nor the -1 of unlabelled images
    before = given.old.predict(old, selection)
    scores = blends.score_alphas(
        sorted({0.0, *config.alphas}) if config.alphas else blends.alpha_grid(fisher=config.kind == "fisher"),
        lambda alpha: given.old.predict(blend(alpha), selection).prediction,
        old=numbers[before.prediction],
        labels=selection.labels[np.isin(selection.ids, before.sample_id)],  # an undecodable image has no prediction
    )
    chosen = blends.choose_alpha(scores, tolerance=config.tolerance)
    task = given.task(blend(chosen.alpha), calm, None)
    told = {"alpha": chosen.alpha, "scores": [score._asdict() for score in scores]}
    new = next(score for score in scores if score.alpha == 0)
    row = {
        "value": chosen.alpha,
        "unit": "share of the old weights",
        "direction": "chosen on the selection split",
        "count": len(before),
        "note": f"alpha = {chosen.alpha:g} of the old weights: accuracy {chosen.accuracy:.2%} and NFR {chosen.nfr:.2%} "
        f"on the selection split; the new model itself (alpha = 0): {new.accuracy:.2%} and {new.nfr:.2%}",
    }
    return dataclasses.replace(task, describe={**task.describe, **told, "rows": {"alpha": row}})


METHOD = Method(
    name="interpolate",
    summary="blend the old weights with fine-tuned new ones, as far as it costs no accuracy",
    situation="an old model of the same architecture, and little budget",
    not_for="models trained from different starts: halfway between them lies a bad model",
    config=Config,
    plan=plan,
    accept=accept,
    start=lambda config, old: old[0],
    needs_old=True,
    paper="Schumann et al., Backward Compatibility by Weight Interpolation, 2023, arXiv:2301.10546",
)
