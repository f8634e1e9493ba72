"""The two stages after the large set: the labelled set alone at a small rate, and the classifier alone, seen larger.

The second is the "fix" of Touvron et al., "Fixing the train-test resolution discrepancy", 2019, arXiv:1906.06423:
random crops show objects larger in training than the centre crop does in evaluation, so the classifier is fitted once
more to what evaluation shows, at a higher resolution, everything else frozen.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

from modelheir import models
from modelheir.checks import Above, AtLeast, InputError
from modelheir.config.trainable import parse_trainable
from modelheir.objective.supervised import SupervisedConfig, make_supervised
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelheir.config.fit import FitConfig
    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.plans import Task
    from modelheir.types import Batch, Step

__all__ = ["FixConfig", "TargetConfig", "fix_fit", "fix_task", "larger", "target_fit", "widened"]


@dataclasses.dataclass(frozen=True)
class TargetConfig:
    """Settings of the stage on the labelled set alone, with the same losses."""

    epochs: Annotated[int, AtLeast(-1)] = (
        -1  #: passes over the labelled set; -1 is an eighth of fit.epochs where there are unlabelled images, else none
    )
    rate: Annotated[float, Above(0)] = 0.01  #: of fit.lr

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        return {} if self.epochs else {"rate": "epochs = 0"}


@dataclasses.dataclass(frozen=True)
class FixConfig:
    """Settings of the stage that fits the classifier to a higher resolution, on the labels."""

    epochs: Annotated[int, AtLeast(0)] = 0  #: passes over the labelled set; 0 leaves the stage out
    scale: Annotated[float, AtLeast(1)] = 1.4  #: of inputs.image_size and inputs.resize, rounded
    rate: Annotated[float, Above(0)] = 0.1  #: of fit.lr
    trainable: str = "head"  #: what moves: the classifier, or a choice as of --trainable (FixRes: the last norm too)

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        return {} if self.epochs else dict.fromkeys(("scale", "rate", "trainable"), "epochs = 0")


def target_fit(config: TargetConfig, fit: FitConfig) -> FitConfig:
    """Return how the labelled set is trained: shorter, at a small rate."""
    return _shorter(fit, config.epochs, config.rate)


def fix_fit(config: FixConfig, fit: FitConfig) -> FitConfig:
    """Return how the classifier is fitted: shorter, at its own rate, in one group of parameters."""
    return dataclasses.replace(_shorter(fit, config.epochs, config.rate), lr_multipliers=(), layer_decay=1.0)


def _shorter(fit: FitConfig, epochs: int, rate: float) -> FitConfig:
    """Return the settings for so many epochs, warm-up and drops in proportion, at a part of the learning rate.

    The classifier has been trained by then, so it learns at the rate of the rest.
    """
    share = epochs / fit.epochs
    return dataclasses.replace(
        fit,
        epochs=epochs,
        lr=fit.lr * rate,
        head_multiplier=1.0,
        warmup_epochs=fit.warmup_epochs * share,
        step_epochs=fit.step_epochs * share,
        milestones=tuple(epoch * share for epoch in fit.milestones),
    )


def larger(config: FixConfig, given: Given) -> Given:
    """Return the same with evaluation's view at the higher resolution, in training too, and what may move.

    Raises:
        InputError: If nothing that is named can move.
    """
    inputs = given.data.resolved
    size, resize = (max(1, round(config.scale * side)) for side in (inputs.image_size, inputs.resize))
    parse_trainable(config.trainable)
    seen = dataclasses.replace(
        inputs,
        image_size=size,
        resize=max(size, resize),
        augment="flip" if inputs.mirror else "none",
        erase=0.0,
        mixup=0.0,
        cutmix=0.0,
    )
    return dataclasses.replace(
        given,
        data=dataclasses.replace(given.data, inputs=seen, stores={}, view_cycle=0),
        model=dataclasses.replace(given.model, image_size=size, trainable=config.trainable),
    )


def widened(config: FixConfig, student: Classifier, image_size: int) -> Classifier:
    """Return a network as ``student``, with other weights, for images of ``image_size`` pixels a side.

    Raises:
        InputError: If the network's weights depend on the size of the images.
    """
    wide = models.from_spec({**student.spec, "image_size": image_size})
    own, weights = ({key: value.shape for key, value in one.state_dict().items()} for one in (wide, student))
    if own != weights:
        raise InputError(
            f"method.fix.epochs = {config.epochs}: {student.spec['name']} has other weights at {image_size} pixels "
            f"than at {student.image_size}, so its resolution cannot be raised: set it to 0."
        )
    return wide


def fix_task(
    config: FixConfig, given: Given, student: Classifier, weights: Mapping[str, Any], supervised: SupervisedConfig
) -> Task:
    """Return the task of the last stage.

    Args:
        config: Its settings.
        given: As :func:`larger` returns it.
        student: The network that ``weights`` are of.
        weights: After the stages before.
        supervised: The loss against labels.

    Raises:
        InputError: As of :func:`widened`.
    """
    inputs = given.data.inputs
    reads = {"image_size": inputs.image_size, "resize": inputs.resize}
    wide = widened(config, student, inputs.image_size)
    wide.load_state_dict(dict(weights))
    wide.spec["inputs"] = reads  # so that whoever runs this model shows it images as it was fitted to them
    loss = make_supervised(supervised)

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch = batches["train"]
        return LossTerms(loss(wide(batch.inputs), batch, step))

    task = given.task(wide, given.data.stream(), objective)
    return dataclasses.replace(task, fit=fix_fit(config, given.fit))
