r"""Filters: one weight an image, larger where staying close to the old model matters most.

.. math:: w_n = \alpha + \beta \cdot 1[\text{condition}_n], \qquad
          \mathcal{L} = \tfrac{1}{N} \sum_n w_n \ell_n

Yan et al., "Positive-Congruent Training", 2021, arXiv:2011.09161, eq. 7 (there the old model right; its stray minus
sign is dropped). ``alpha = 1, beta = 0`` is plain distillation; ``alpha = 0`` distils selected images only.
Weights have shape ``(N,)`` as the per-image losses do, so a product weighs images and can do nothing else. They carry
no gradient. An unlabelled image (-1) is neither right nor wrong: it gets ``alpha``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.means import mean_one
from modelheir.losses.precision import full_precision
from modelheir.losses.right import is_right, is_wrong

__all__ = [
    "FILTERS",
    "all_pass",
    "effective_lambda",
    "likelihood",
    "neg_flip",
    "new_incorrect",
    "old_correct",
    "sample_weights",
]

FILTERS = ("all_pass", "old_correct", "neg_flip", "new_incorrect", "likelihood")


def all_pass(logits: Tensor) -> Tensor:
    """Return a weight of 1 for every row of ``logits`` ``(N, C)``; ``alpha`` and ``beta`` have no part.

    >>> all_pass(torch.zeros(2, 3))
    tensor([1., 1.])
    """
    return full_precision(logits.detach()).new_ones(logits.shape[0])


def old_correct(old: Tensor, labels: Tensor, *, base: float = 1.0, scale: float = 5.0) -> Tensor:
    """Weigh images that the old model gets right.

    Args:
        old: Logits of the frozen model, shape ``(N, C)``.
        labels: Integers ``(N,)``; -1 is unlabelled.
        base: ``alpha``, weight of every image, ``>= 0``.
        scale: ``beta``, further weight of selected images, ``>= 0``.

    Returns:
        Weights, shape ``(N,)``.

    Raises:
        ValueError: If the shapes do not fit, the labels are mixed targets, or a setting is negative.

    Example:
        >>> old_correct(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]))
        tensor([6., 1.])
    """
    return _weights(old, is_right(old, labels), base, scale)


def neg_flip(new: Tensor, old: Tensor, labels: Tensor, *, base: float = 1.0, scale: float = 5.0) -> Tensor:
    """Weigh images that are negative flips now: old model right, model in training wrong. As :func:`old_correct`.

    >>> old = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    >>> neg_flip(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), old, torch.tensor([0, 0]))
    tensor([1., 6.])
    """
    return _weights(new, is_right(old, labels) & is_wrong(new, labels), base, scale)


def new_incorrect(new: Tensor, labels: Tensor, *, base: float = 1.0, scale: float = 5.0) -> Tensor:
    """Weigh images that the model in training gets wrong now. As :func:`old_correct`.

    >>> new_incorrect(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]))
    tensor([1., 6.])
    """
    return _weights(new, is_wrong(new, labels), base, scale)


def likelihood(values: Tensor, *, base: float = 1.0, scale: float = 1.0) -> Tensor:
    """Weigh images by stored values, such as their likelihood to flip: ``scale * values + base``.

    >>> likelihood(torch.tensor([0.0, 0.5]))
    tensor([1.0000, 1.5000])
    """
    checks.at_least(0, base=base, scale=scale)
    if values.ndim != 1:
        raise ValueError(f"likelihoods must have shape (N,), one an image, got {tuple(values.shape)}")
    return scale * full_precision(values.detach()) + base


def sample_weights(
    name: str,
    new: Tensor,
    old: Tensor,
    labels: Tensor,
    *,
    base: float = 1.0,
    scale: float = 5.0,
    normalize: bool = False,
    likelihoods: Tensor | None = None,
    mask: Tensor | None = None,
    gather: Gather | None = None,
) -> Tensor:
    """Compute the weights of the filter called ``name``.

    Args:
        name: One of :data:`FILTERS`.
        new: Logits of the model in training, shape ``(N, C)``.
        old: Logits of the frozen model, shape ``(N, C)``.
        labels: Integers ``(N,)``; -1 is unlabelled. Mixed targets ``(N, C)`` suit ``all_pass`` and ``likelihood``.
        base: ``alpha``, ``>= 0``; without effect on ``all_pass``.
        scale: ``beta``, ``>= 0``; without effect on ``all_pass``.
        normalize: Scale to mean 1 over the batch (:func:`mean_one`).
        likelihoods: Stored values ``(N,)``; for ``likelihood`` only, and required there.
        mask: Bool ``(N,)``, the images that count for ``normalize``; ``None`` is all. It sets no weight to 0.
        gather: As :func:`all_gather`, where ``normalize`` shall see the batch of all processes.

    Returns:
        Weights, shape ``(N,)``.

    Raises:
        ValueError: If the filter is unknown or lacks what it needs.

    Example:
        >>> logits, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
        >>> sample_weights("old_correct", logits, logits, labels, base=0.0, scale=1.0, normalize=True)
        tensor([2., 0.])
    """
    checks.one_of(FILTERS, filter=name)
    if name == "all_pass":
        weights = all_pass(new)
    elif name == "likelihood":
        if likelihoods is None:
            raise ValueError("filter likelihood needs stored likelihoods, one an image: none were given")
        checks.same_length(new=new, likelihoods=likelihoods)
        weights = likelihood(likelihoods, base=base, scale=scale)
    elif name == "old_correct":
        weights = old_correct(old, labels, base=base, scale=scale)
    elif name == "neg_flip":
        weights = neg_flip(new, old, labels, base=base, scale=scale)
    else:
        weights = new_incorrect(new, labels, base=base, scale=scale)
    return mean_one(weights, mask=mask, gather=gather) if normalize else weights


def effective_lambda(weights: Tensor, *, loss_weight: float, mix_alpha: float | None = None) -> Tensor:
    """Return the weight that the filtered loss has in comparison with the supervised one.

    Args:
        weights: The filter's weights, shape ``(N,)``.
        loss_weight: ``k``, the plain multiplier, ``>= 0``.
        mix_alpha: ``a`` of ``a k L + (1 - a) L_supervised``, 0 to 1; ``None``: the two are added.

    Returns:
        Scalar: ``k a / (1 - a)`` times the mean weight; infinite at ``a = 1``.

    Raises:
        ValueError: If a setting is out of range.

    Example:
        >>> effective_lambda(torch.tensor([1.0, 1.0]), loss_weight=1.0, mix_alpha=0.5)
        tensor(1.)
    """
    checks.at_least(0, loss_weight=loss_weight)
    mean = weights.detach().mean()
    if mix_alpha is None:
        return loss_weight * mean
    checks.in_range(0, 1, mix_alpha=mix_alpha)
    return mean * (loss_weight * mix_alpha / (1 - mix_alpha) if mix_alpha < 1 else torch.inf)


def _weights(like: Tensor, selected: Tensor, base: float, scale: float) -> Tensor:
    checks.at_least(0, base=base, scale=scale)
    return base + scale * selected.to(full_precision(like).dtype)
