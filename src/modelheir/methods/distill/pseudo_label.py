r"""Pseudo-labels: a model trained on the labels names the images that it is sure of, and a new one learns from both.

.. math:: L = \overline{\mathrm{CE}(z, y)} + \alpha(t) \, \overline{\mathrm{CE}(z_u, \hat y_u)}, \quad
          \alpha(t) = k \min(1, t / T)

Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks", 2013, ICML
workshop on challenges in representation learning, eq. 15 and 16. Ours differs: only images above a threshold are named;
they are named once a round, by the network of the round before, and each round trains anew, where the paper names every
image again at each step of one training; ``alpha`` rises from the first step. Both batches go through the network
together. The longer of the two streams defines an epoch, and the other repeats.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
from typing import TYPE_CHECKING, Annotated

import numpy as np

from modelheir import inference, models
from modelheir.checks import Above, AtLeast, InputError, InRange
from modelheir.methods.declared import SourceUse
from modelheir.methods.given import plain_stage
from modelheir.methods.given.pool import images_of_pool
from modelheir.methods.method import Method
from modelheir.metrics.confidence import max_confidence, softmax
from modelheir.objective.supervised import SupervisedConfig, accept_supervised, make_supervised
from modelheir.objective.together import NamedStep, run_together
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from modelheir.config.run import TrainConfig
    from modelheir.data import ImageSet
    from modelheir.methods.given import Given
    from modelheir.types import Batch, StageResult, Step

__all__ = ["METHOD", "Config", "accept", "plan"]

_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``pseudo_label``."""

    unlabelled: str = ""  #: images without labels, named as --data is; labels of them are not looked at
    threshold: Annotated[float, InRange(0, 1)] = 0.95  #: lowest probability of a class that becomes a label
    weight: Annotated[float, Above(0)] = 1.0  #: of the loss of pseudo-labels, when it has risen (the paper's is 3)
    ramp: Annotated[float, InRange(0, 1)] = 0.3  #: share of a round over which the weight rises from 0
    rounds: Annotated[int, AtLeast(1)] = 1  #: how often images are named and a network is trained anew
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse a run without images that have no labels, and settings that do not fit each other."""
    if not config.unlabelled:
        raise InputError("train pseudo_label needs --unlabelled, images without labels: folder:DIR, parquet:PATH, ...")
    accept_supervised(config.supervised, run.inputs)


def plan(config: Config, given: Given) -> list[Stage]:
    """The plain stage, and one for every round."""
    plain = plain_stage("plain", given, config.supervised)
    images = images_of_pool(given.data, given.sources["unlabelled"], flag="--unlabelled")
    names = [plain.name, *(f"round_{number}" for number in range(1, config.rounds + 1))]
    rounds = [
        Stage(name, functools.partial(_round, config, given, images, before))
        for before, name in itertools.pairwise(names)
    ]
    return [plain, *rounds]


def _round(config: Config, given: Given, images: ImageSet, before: str, done: Mapping[str, StageResult]) -> Task:
    """Name images by the network of the stage before, and train a new one."""
    named = _named(config, given, images, done[before])
    splits = {**given.data.splits, "pseudo": named}
    data = dataclasses.replace(given.data, splits=splits, inputs=given.data.resolved)
    model = given.model.build()
    supervised = make_supervised(config.supervised)

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        known, guessed = batches["train"], batches["pseudo"]
        ours, theirs = run_together(model, known, guessed)
        apart: Any = NamedStep(step, "pseudo")
        weight = config.weight * _risen(step.number, config.ramp * step.steps)
        also = {f"pseudo_{name}": weight * value for name, value in supervised(theirs, guessed, apart).items()}
        return LossTerms({**supervised(ours, known, step), **also})

    streams = {"pseudo": data.stream("pseudo"), "train": data.stream()}
    longest = dict(sorted(streams.items(), key=lambda one: -len(one[1])))  # stable: of equal ones the pool's
    task = given.task(model, streams["train"], objective)
    counts = np.bincount(named.labels, minlength=len(named.classes)).tolist()
    told = {"of": len(images), "classes": dict(zip(named.classes, counts, strict=True))}
    return dataclasses.replace(task, streams=longest, describe={**task.describe, "pseudo_labels": told})


def _risen(number: int, over: float) -> float:
    return min(1.0, number / over) if over else 1.0


def _named(config: Config, given: Given, images: ImageSet, before: StageResult) -> ImageSet:
    """Return the images that a network is sure of, with its answers as their labels."""
    model = models.from_spec(before.describe["model"])
    model.load_state_dict(before.weights("model"))
    data = dataclasses.replace(given.data, splits={"unlabelled": images}, inputs=given.data.resolved)
    stream = data.stream("unlabelled", train=False)
    found = inference.predict_model(model, stream, data.runtime, precision=given.fit.precision)
    assert found.logits is not None
    most = max_confidence(softmax(found.logits))
    sure = most >= config.threshold
    if sure.sum() < data.runtime.world:
        raise InputError(
            f"{int(sure.sum())} of the {len(images):,} images of --unlabelled reach method.threshold = "
            f"{config.threshold} (the surest has {most.max():.3f}), and each process needs one: lower it, or train "
            "longer on the labels."
        )
    _say(
        f"{before.name} names {int(sure.sum()):,} of the {len(images):,} images of --unlabelled; labelled images are "
        f"{len(given.data.splits['train']):,}, and the longer of the two is an epoch."
    )
    place = {str(one): row for row, one in enumerate(images.ids)}
    rows = np.array([place[str(one)] for one in found.sample_id[sure]])
    return dataclasses.replace(images.subset(rows), labels=found.prediction[sure])


METHOD = Method(
    name="pseudo_label",
    summary="train on the labels, name the images that the model is sure of, and train anew on both",
    situation="few labelled images, many without, and the plainest thing that may help",
    not_for="when a good teacher exists (distill), or the first model is often sure and wrong",
    config=Config,
    plan=plan,
    accept=accept,
    flags={"unlabelled": "method.unlabelled"},
    sources=lambda config: {"unlabelled": SourceUse(config.unlabelled, labelled=False, flag="--unlabelled")},
    paper="Lee, Pseudo-Label, 2013, ICML workshop on challenges in representation learning",
)
