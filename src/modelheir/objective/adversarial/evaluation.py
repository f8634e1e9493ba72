"""How many images a network still tells rightly when each may be changed within a bound."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modelheir import checks, inference
from modelheir.checks import InputError
from modelheir.objective.adversarial.attack import ascend, uniform_start
from modelheir.objective.adversarial.making import images_of, label_loss
from modelheir.types import Batch, Outputs, Predictions, Stream

__all__ = ["predict_attacked", "robust_accuracy"]

_WRONG = 1e4  #: above every loss, in nats


def predict_attacked(
    model: Any,
    stream: Stream,
    runtime: inference.Runtime,
    *,
    epsilon: float = 8 / 255,
    steps: int = 50,
    step_size: float | None = None,
    restarts: int = 1,
    seed: int = 0,
) -> Predictions:
    """Say what a classifier makes of images that projected gradient descent has changed, in evaluation mode.

    Args:
        model: A classifier.
        stream: An evaluation stream of its own classes; its labels are what is attacked.
        runtime: This process and its peers, which all call this.
        epsilon: Largest change of a pixel's channel, 0 to 1.
        steps: Of the attack, ``>= 1``.
        step_size: Of one step; absent is ``2.5 epsilon / steps``, at least 1/255 where that is within ``epsilon``.
        restarts: Attacks from starts of their own, ``>= 1``; of each image the one that ends with the largest loss
            among those that are told wrongly, else among all, counts.
        seed: Of the starts; each process draws its own.

    Returns:
        Predictions as those of :func:`~modelheir.inference.predict_stream`. Images without a label are not changed
        but for the start.

    Raises:
        InputError: If the stream has other classes than the model, or no images.
    """
    if tuple(model.classes) != tuple(stream.classes):
        raise InputError("an attack reads labels: the images must have the model's own classes, in its order.")
    checks.at_least(1, restarts=restarts, steps=steps)
    checks.in_range(0, 1, epsilon=epsilon)
    length = max(2.5 * epsilon / steps, min(1 / 255, epsilon)) if step_size is None else step_size
    generator = torch.Generator(runtime.device).manual_seed(seed * runtime.world + runtime.rank)

    def predict(batch: Batch) -> Outputs:
        images, worst, most = images_of(batch), None, torch.empty(0)
        for _ in range(restarts):
            start = uniform_start(images, epsilon, generator=generator)
            found = ascend(
                lambda tried: label_loss(model(tried).logits, batch), images, start,
                epsilon=epsilon, step_size=length, steps=steps,
            )  # fmt: skip
            outputs = model(found)
            badness = _badness(outputs.logits, batch)
            if worst is None:
                worst, most = outputs, badness
                continue
            more = (badness > most)[:, None]
            worst = Outputs(
                torch.where(more, outputs.logits, worst.logits), torch.where(more, outputs.features, worst.features)
            )
            most = torch.maximum(badness, most)
        assert worst is not None
        return worst

    model.to(runtime.device)
    with inference.evaluation([model]):
        found = inference.predict_stream(predict, stream, runtime)
    return dataclasses.replace(found, classes=tuple(stream.classes))


def robust_accuracy(model: Any, stream: Stream, runtime: inference.Runtime, **settings: Any) -> float:
    """Return the share of labelled images that are told rightly under attack; settings of :func:`predict_attacked`.

    A fraction, higher is better; an upper bound of what a stronger attack leaves.

    Raises:
        ValueError: If no image has a label.
    """
    found = predict_attacked(model, stream, runtime, **settings)
    known = found.label >= 0
    if not known.any():
        raise ValueError("robust accuracy needs labelled images")
    return float(np.mean(found.prediction[known] == found.label[known]))


def _badness(logits: Tensor, batch: Batch) -> Tensor:
    """Return the loss of each image, all of those told wrongly above all others."""
    value = label_loss(logits, batch)
    wrong = (logits.argmax(1) != batch.labels) & (batch.labels >= 0)
    return torch.where(wrong, value + _WRONG, value)
