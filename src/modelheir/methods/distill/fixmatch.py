r"""FixMatch: what the model is sure of in a slightly changed image is the label of a strongly changed one.

.. math:: L = \overline{\mathrm{CE}(z, y)}
          + \frac{\lambda}{\mu B} \sum_u 1[\max p_u \ge \tau] \, \mathrm{CE}(z'_u, \arg\max p_u), \quad
          p_u = \mathrm{softmax}(z_u)

``z_u`` of the weak view and ``z'_u`` of the strong view of ``mu B`` images without labels, beside ``B`` with them: Sohn
et al., 2020, arXiv:2001.07685, eq. 3 and 4. The weak view is shifted, and mirrored where ``inputs.mirror`` allows; the
strong one goes through RandAugment and has a rectangle greyed, which stands for Cutout. Ours differs: RandAugment takes
the one strength ``inputs.policy_magnitude``, where the paper draws one for each operation.

Both views come from one order of images, drawn from one seed, with other random choices for each. They define the
epoch; the labelled images repeat.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING, Annotated

import numpy as np

from modelheir import objective as objectives
from modelheir.checks import Above, AtLeast, InputError, InRange
from modelheir.methods.declared import SourceUse
from modelheir.methods.given.pool import images_of_pool
from modelheir.methods.method import Method
from modelheir.objective.supervised import SupervisedConfig, accept_supervised, make_supervised
from modelheir.objective.together import run_together
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelheir.config.run import TrainConfig
    from modelheir.data import ImageSet
    from modelheir.methods.given import Data, Given
    from modelheir.types import Batch, Step, Stream

__all__ = ["METHOD", "Config", "accept", "plan", "two_views"]

_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of ``fixmatch``."""

    unlabelled: str = ""  #: images without labels, named as --data is; labels of them are not looked at
    ratio: Annotated[int, AtLeast(1)] = 7  #: images without labels to one with, in every step (the paper's mu)
    threshold: Annotated[float, InRange(0, 1)] = 0.95  #: lowest probability of a class that becomes a label
    weight: Annotated[float, Above(0)] = 1.0  #: of the loss of images without labels
    erase: Annotated[float, InRange(0, 1)] = 1.0  #: probability of greying a rectangle of the strong view
    supervised: SupervisedConfig = dataclasses.field(default_factory=SupervisedConfig)


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse a run without images that have no labels, and settings that do not fit each other."""
    if not config.unlabelled:
        raise InputError("train fixmatch needs --unlabelled, images without labels: folder:DIR, parquet:PATH, ...")
    accept_supervised(config.supervised, run.inputs)


def plan(config: Config, given: Given) -> list[Stage]:
    """One stage."""
    images = images_of_pool(given.data, given.sources["unlabelled"], flag="--unlabelled")
    return [Stage("fixmatch", lambda done: _task(config, given, images))]


def two_views(data: Data, images: ImageSet, *, ratio: int, erase: float) -> tuple[Stream, Stream]:
    """Return a weak and a strong view of images: two streams that show the same rows in the same order.

    Args:
        data: The run's data, with size, shifts, mirroring and the strength of RandAugment.
        images: Without labels.
        ratio: Images a batch for one of ``data``'s.
        erase: Probability of greying a rectangle of the strong view.
    """
    own = dataclasses.replace(data.resolved, erase=0.0, mixup=0.0, cutmix=0.0)
    seed = data.seed if own.augment_seed is None else own.augment_seed
    other = np.random.SeedSequence([seed, 1]).generate_state(1).item()  # or the strong view is shifted as the weak is
    weak = dataclasses.replace(own, augment="crop")
    strong = dataclasses.replace(own, augment="randaugment", erase=erase, augment_seed=other)
    splits = {**data.splits, "unlabelled": images}
    first, second = (
        dataclasses.replace(data, splits=splits, inputs=inputs, batch_size=ratio * data.batch_size).stream("unlabelled")
        for inputs in (weak, strong)
    )
    return first, second


def _task(config: Config, given: Given, images: ImageSet) -> Task:
    model = given.model.build()
    weak, strong = two_views(given.data, images, ratio=config.ratio, erase=config.erase)
    supervised = make_supervised(config.supervised)
    labels = objectives.PseudoLabels(objectives.FixedThreshold(config.threshold))
    consistency = objectives.Consistency(labels, weight=config.weight)

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        known, seen, changed = batches["train"], batches["weak"], batches["strong"]
        ours, sure, hard = run_together(model, known, seen, changed)
        terms = supervised(ours, known, step)
        return LossTerms({**terms, **consistency(sure.logits, hard.logits, seen.index, step)})

    sizes = (
        min(config.ratio * given.data.batch_size, len(images)),
        min(given.data.batch_size, len(given.data.splits["train"])),
    )
    _say(
        f"an epoch is a pass over the {len(images):,} images of --unlabelled, {sizes[0]:,} a step; beside them "
        f"{sizes[1]:,} labelled ones, which repeat."
    )
    task = given.task(model, weak, objective)
    return dataclasses.replace(task, streams={"weak": weak, "strong": strong, "train": given.data.stream()})


METHOD = Method(
    name="fixmatch",
    summary="few labels and many images: sure answers for a plain view become labels of a distorted one (FixMatch)",
    situation="few labelled images, many like them without labels, and no teacher",
    not_for="when a good teacher exists (distill), or the images without labels show other things than the classes",
    config=Config,
    plan=plan,
    accept=accept,
    flags={"unlabelled": "method.unlabelled"},
    sources=lambda config: {"unlabelled": SourceUse(config.unlabelled, labelled=False, flag="--unlabelled")},
    paper="Sohn et al., FixMatch, 2020, arXiv:2001.07685",
)
