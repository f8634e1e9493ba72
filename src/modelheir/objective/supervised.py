"""The supervised part of an objective: cross-entropy in its usual variants, auxiliary heads included."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from modelheir import losses
from modelheir.checks import AtLeast, InputError, InRange
from modelheir.objective.pull import need_unmixed

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.config.inputs import InputConfig
    from modelheir.types import Batch, Outputs, Step

__all__ = ["SupervisedConfig", "accept_supervised", "make_supervised"]


@dataclasses.dataclass(frozen=True)
class SupervisedConfig:
    """Settings of the loss against labels."""

    label_smoothing: Annotated[float, InRange(0, 1)] = 0.0  #: share of the target spread over all classes
    binary: bool = False  #: one-vs-all sigmoid loss in place of cross-entropy
    auxiliary_weight: Annotated[float, AtLeast(0)] = 1.0  #: of the loss of each auxiliary head
    likelihood_base: Annotated[float, AtLeast(0)] = 1.0  #: b of the image weight 1 / (s L + b)
    likelihood_scale: Annotated[float, AtLeast(0)] = 0.0  #: s; above 0 trusts images less that are likely to flip

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        if self.binary:
            return dict.fromkeys(("label_smoothing", "likelihood_base", "likelihood_scale"), "binary = True")
        return {} if self.likelihood_scale else {"likelihood_base": "likelihood_scale = 0.0"}


def accept_supervised(config: SupervisedConfig, inputs: InputConfig, *, likelihoods: bool = False) -> None:
    """Refuse a weight from likelihoods where training has none for an image, or an image has no label of its own.

    Args:
        config: The loss against labels.
        inputs: Whether images are mixed.
        likelihoods: Whether the training stream carries them.

    Raises:
        InputError: Names the setting.
    """
    if config.likelihood_scale == 0:
        return
    setting = f"method.supervised.likelihood_scale = {config.likelihood_scale!r}"
    if not likelihoods:
        raise InputError(
            f"{setting} needs a likelihood for each image (upgrade: --method.likelihoods FILE): set it to 0."
        )
    need_unmixed(inputs, setting)


def make_supervised(config: SupervisedConfig) -> Callable[[Outputs, Batch, Step], dict[str, Tensor]]:
    """Return a function from a model's outputs, a batch and the step to named scalar terms.

    Unlabelled images (-1) are left out. Where images were mixed, soft targets take the labels' place. Means are over
    the batch of all processes together. Where a batch carries ``weight``, it multiplies each image's loss, and the mean
    still divides by the number of images.
    """
    smoothing = config.label_smoothing

    def of_known(values: Tensor, batch: Batch, step: Step) -> Tensor:
        if batch.labelled:  # processes have equal shares, so the mean of their means is that of all
            return values.mean()
        return losses.masked_mean(values, batch.labels >= 0, gather=step.gather)

    def of_logits(logits: Tensor, batch: Batch, step: Step) -> Tensor:
        if batch.targets is not None:
            if config.binary:
                return losses.soft_binary_cross_entropy(logits, batch.targets).mean()
            return losses.soft_cross_entropy(logits, batch.targets, label_smoothing=smoothing).mean()
        if config.likelihood_scale > 0 and not config.binary:
            return losses.likelihood_weighted_cross_entropy(
                logits,
                batch.labels,
                batch.extra["likelihood"],
                base=config.likelihood_base,
                scale=config.likelihood_scale,
                label_smoothing=smoothing,
                gather=step.gather,
            ).mean()
        if config.binary:
            values = losses.binary_cross_entropy(logits, batch.labels)
        else:
            values = losses.cross_entropy(logits, batch.labels, label_smoothing=smoothing)
        return of_known(values * batch.extra["weight"] if "weight" in batch.extra else values, batch, step)

    def supervised(outputs: Outputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        terms = {"task": of_logits(outputs.logits, batch, step)}
        if batch.targets is None:
            right = (outputs.logits.detach().argmax(1) == batch.labels).float()
            step.observe("train/accuracy", of_known(right, batch, step))
        if config.auxiliary_weight > 0:
            for number, logits in enumerate(outputs.auxiliary):
                terms[f"auxiliary_{number}"] = config.auxiliary_weight * of_logits(logits, batch, step)
        return terms

    return supervised
