r"""Diagonal Fisher information: how much each weight matters to what a model says.

.. math:: F_j = \frac{1}{N} \sum_n \Big(\frac{\partial \log p_{y_n}(x_n)}{\partial \theta_j}\Big)^2

:func:`fisher_information` takes the labels for ``y``, as for elastic weight consolidation (Kirkpatrick et al., 2017,
arXiv:1612.00796, section 2.1). :func:`empirical_fisher` takes the model's own answers, the largest logits, and divides
by the mean over all parameters (Schumann et al., "Backward Compatibility During Data Updates by Weight Interpolation",
2023, arXiv:2301.10546). The gradient is squared image by image, never after a mean over a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modelheir import checks
from modelheir.models.gradients.of_loss import How, batch_gradient, in_evaluation, need_labels, per_image_gradients
from modelheir.types import Batch

__all__ = ["empirical_fisher", "fisher_information"]


def empirical_fisher(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    how: How = "auto",
    chunk_size: int | None = 32,
) -> dict[str, Tensor]:
    """Compute the diagonal empirical Fisher information, scaled to mean 1 over all parameters.

    Args:
        model: The classifier; run in evaluation mode, and left as it was.
        batches: Batches of images, such as ``stream.epoch(0)``; labels are not read.
        how: ``vmap`` differentiates many images at once, ``loop`` one after another; ``auto`` takes ``vmap`` where
            every operation of the network supports it. The values agree to rounding.
        chunk_size: Images differentiated at once with ``vmap``; memory holds that many copies of the weights.

    Returns:
        Parameter name -> importance ``>= 0``, float32, of the parameter's shape.

    Raises:
        ValueError: If there is no image, or no parameter has a gradient.
    """

    def surprise(logits: Tensor, _: Tensor) -> Tensor:
        return -logits.log_softmax(dim=1).amax(dim=1).sum()

    with in_evaluation(model):
        parts = per_image_gradients(model, batches, surprise, how=how, chunk_size=chunk_size)
        sums, count = _summed(model, parts)
    checks.at_least(1, images=count)
    size = sum(value.numel() for value in sums.values())
    mean = sum(float(value.sum()) for value in sums.values()) / size
    checks.above(0, mean_squared_gradient=mean)
    return {name: value / mean for name, value in sums.items()}


def fisher_information(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    square: Literal["image", "batch_sum"] = "image",
    how: How = "auto",
    chunk_size: int | None = 32,
) -> dict[str, Tensor]:
    """Compute the diagonal Fisher information of labelled images, in its own unit.

    Args:
        model: The classifier; run in evaluation mode, and left as it was.
        batches: Batches of labelled images.
        square: ``image``; or ``batch_sum``, the square of the sum over each batch, as in the published code of
            Seq-to-Final (arXiv:2407.09642): it grows with the batch where gradients agree.
        how: As for :func:`empirical_fisher`; not read with ``batch_sum``.
        chunk_size: As for :func:`empirical_fisher`.

    Returns:
        Parameter name -> importance ``>= 0``, float32, of the parameter's shape: the mean over images of squared
        gradients.

    Raises:
        ValueError: If there is no image, or one is unlabelled.
    """
    checks.one_of(("image", "batch_sum"), square=square)
    count = 0

    def labelled() -> Iterator[Batch]:
        nonlocal count
        for batch in batches:
            need_labels(batch)
            count += len(batch)
            yield batch

    def whole(logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, reduction="sum")

    with in_evaluation(model):
        if square == "image":
            parts = per_image_gradients(model, labelled(), whole, how=how, chunk_size=chunk_size)
        else:
            parts = ({k: v[None] for k, v in batch_gradient(model, batch, whole).items()} for batch in labelled())
        sums, _ = _summed(model, parts)
    checks.at_least(1, images=count)
    return {name: value / count for name, value in sums.items()}


def _summed(model: nn.Module, parts: Iterable[dict[str, Tensor]]) -> tuple[dict[str, Tensor], int]:
    """Sum the squares over the first axis of all parts; also how long that is."""
    sums = {name: torch.zeros_like(value, dtype=torch.float32) for name, value in model.named_parameters()}
    count = 0
    for part in parts:
        count += len(next(iter(part.values())))
        for name, value in part.items():
            sums[name] += value.square().sum(dim=0)
    return sums, count
