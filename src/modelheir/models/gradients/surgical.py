r"""Which layers a new set of images asks to move: gradients against weights, and against their own noise.

With :math:`g_i` the gradient of image ``i``'s cross-entropy and :math:`\bar g` their mean, a layer of weights
:math:`\theta` scores

.. math:: \mathrm{RGN} = \frac{\|\bar g\|_2}{\|\theta\|_2}, \qquad
          \mathrm{SNR} = \operatorname{mean}_j \frac{\bar g_j^2}{\operatorname{Var}_i(g_{ij})}

Lee et al., "Surgical Fine-Tuning Improves Adaptation to Distribution Shifts", 2023, arXiv:2210.11466, section 4. Ours
differs: gradients are taken in evaluation mode at the weights as they are, once; a weight whose gradient never varies
adds 0 to SNR.

``compat`` is what the published code of Seq-to-Final (arXiv:2407.09642) computes, tensor by tensor and then averaged
over a layer's tensors, with :math:`g_b` the gradient of a batch's mean loss and ``N`` images:
:math:`\sum_b \|g_b\| / (N \|\theta\|)`, and the mean over elements of :math:`\sum_b g_b^2 / (\operatorname{Var}(g_b) +
10^{-8}) / N` with the variance along the tensor's own first axis, which is no noise between images; of a
single number it is taken as 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modelheir import checks
from modelheir.models.gradients.of_loss import How, batch_gradient, in_evaluation, need_labels, per_image_gradients
from modelheir.types import Batch

__all__ = ["auto_rgn", "layer_scores", "ranked_layers"]

_FLOOR = 1e-8  #: added to a variance in ``compat``


def layer_scores(
    model: nn.Module,
    batches: Iterable[Batch],
    layers: Mapping[str, Sequence[str]],
    *,
    score: Literal["rgn", "snr"] = "rgn",
    rule: Literal["fixed", "compat"] = "fixed",
    how: How = "auto",
) -> dict[str, float]:
    """Score each layer on labelled images; higher asks more to be tuned.

    Args:
        model: The classifier; run in evaluation mode and left as it was.
        batches: Batches of the images to adapt to; with ``compat`` their size matters.
        layers: Layer -> names of its parameters.
        score: ``rgn`` or ``snr``.
        rule: ``fixed``, or as published: ``compat``.
        how: Of gradients image by image, as :func:`~modelheir.models.gradients.of_loss.per_image_gradients` takes it;
            read by ``snr`` under ``fixed`` alone.

    Returns:
        Layer -> score ``>= 0``, in the order of ``layers``; comparable within one call only.

    Raises:
        ValueError: If there is no image (for ``snr`` fewer than two), one is unlabelled, or a layer has no parameter.
    """
    checks.one_of(("rgn", "snr"), score=score)
    checks.one_of(("fixed", "compat"), rule=rule)
    shapes = {name: value.detach() for name, value in model.named_parameters()}
    for layer, names in layers.items():
        if not names or set(names) - set(shapes):
            raise ValueError(f"layer {layer} must name parameters of the model, got {list(names)}")
    with in_evaluation(model):
        if rule == "compat":
            each = _as_published(model, batches, score)
            return {layer: float(sum(each[name] for name in names) / len(names)) for layer, names in layers.items()}
        if score == "snr":
            ratios = _signal_to_noise(model, batches, how)
            return {layer: float(_joined(ratios, names).mean()) for layer, names in layers.items()}
        mean = _mean_gradient(model, batches)
    return {layer: _relative(_joined(mean, names), _joined(shapes, names)) for layer, names in layers.items()}


def ranked_layers(scores: Mapping[str, float]) -> list[str]:
    """Return the layers, highest score first; equal ones in the order given.

    >>> ranked_layers({"conv1": 0.1, "layer1": 0.3, "fc": 0.1})
    ['layer1', 'conv1', 'fc']
    """
    return sorted(scores, key=lambda layer: -scores[layer])


def auto_rgn(model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
    """Return a multiplier of the learning rate for each parameter: its relative gradient, over the largest one.

    Auto-RGN of the paper's section 4, where it is computed anew at every epoch. Ours differs: a parameter that is all
    zeros, whose relative gradient has no bound, gets 1 if it has a gradient, and does not make the others small.

    Args:
        model: The classifier; run in evaluation mode and left as it was.
        batches: Batches of labelled images.

    Returns:
        Parameter name -> 0 to 1; 1 for at least one of them.

    Raises:
        ValueError: If there is no image, one is unlabelled, or every gradient is 0.
    """
    with in_evaluation(model):
        mean = _mean_gradient(model, batches)
    found = {name: _relative(mean[name], value.detach()) for name, value in model.named_parameters()}
    finite = [value for value in found.values() if value < float("inf")]
    checks.above(0, largest_gradient=max(found.values(), default=0.0))
    largest = max(finite, default=0.0) or 1.0
    return {name: min(value / largest, 1.0) for name, value in found.items()}


def _joined(tensors: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    return torch.cat([tensors[name].flatten().float() for name in names])


def _relative(gradient: Tensor, weights: Tensor) -> float:
    """Divide two norms; infinite where there is a gradient and no weight, 0 where there is neither."""
    own, whole = float(gradient.float().norm()), float(weights.float().norm())
    return own / whole if whole else (float("inf") if own else 0.0)


def _mean_gradient(model: nn.Module, batches: Iterable[Batch]) -> dict[str, Tensor]:
    sums: dict[str, Tensor] = {}
    count = 0
    for batch in batches:
        need_labels(batch)
        for name, value in batch_gradient(model, batch, lambda z, y: F.cross_entropy(z, y, reduction="sum")).items():
            sums[name] = sums[name] + value if name in sums else value
        count += len(batch)
    checks.at_least(1, images=count)
    return {name: value / count for name, value in sums.items()}


def _signal_to_noise(model: nn.Module, batches: Iterable[Batch], how: How) -> dict[str, Tensor]:
    """Return squared mean over variance for every weight; joined part by part, as Chan et al., 1979."""
    mean: dict[str, Tensor] = {}
    spread: dict[str, Tensor] = {}
    count = 0

    def labelled(batches: Iterable[Batch]) -> Iterable[Batch]:
        for batch in batches:
            need_labels(batch)
            yield batch

    for part in per_image_gradients(model, labelled(batches), F.cross_entropy, how=how):
        size = len(next(iter(part.values())))
        for name, value in part.items():
            own = value.mean(dim=0)
            off = (value - own).square().sum(dim=0)
            if count == 0:
                mean[name], spread[name] = own, off
                continue
            gap = own - mean[name]
            spread[name] = spread[name] + off + gap.square() * (count * size / (count + size))
            mean[name] = mean[name] + gap * (size / (count + size))
        count += size
    checks.at_least(2, images=count)
    variance = {name: value / count for name, value in spread.items()}
    return {
        name: torch.where(variance[name] > 0, value.square() / variance[name].clamp_min(1e-38), 0.0)
        for name, value in mean.items()
    }


def _as_published(model: nn.Module, batches: Iterable[Batch], score: str) -> dict[str, float]:
    totals: dict[str, float] = {}
    count = 0
    weights = {name: float(value.detach().float().norm()) for name, value in model.named_parameters()}
    for batch in batches:
        need_labels(batch)
        count += len(batch)
        for name, value in batch_gradient(model, batch, F.cross_entropy).items():
            if score == "rgn":
                own = float(value.norm()) / weights[name] if weights[name] else float("inf")
            else:
                spread = value.var(dim=0, keepdim=True) if value.ndim and len(value) > 1 else torch.zeros_like(value)
                own = float((value.square() / (spread + _FLOOR)).mean())
            totals[name] = totals.get(name, 0.0) + own
    checks.at_least(1, images=count)
    return {name: total / count for name, total in totals.items()}
