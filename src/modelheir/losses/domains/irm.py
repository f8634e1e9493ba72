r"""Invariant risk minimisation: one classifier is to be the best one in every environment at once.

A dummy ``w``, fixed at 1, multiplies the logits. Its gradient tells how far the classifier is from the best of an
environment's own; with ``p`` the softmax of the logits ``z`` it is, image by image,

.. math:: g_{ic} = z_{ic} (p_{ic} - [y_i = c]), \qquad
          P = \Big\|\tfrac1n \sum_i g_i\Big\|^2 \quad\text{or}\quad
          P = \Big\langle \tfrac{2}{n} \sum_{i \in H_1} g_i,\ \tfrac{2}{n} \sum_{i \in H_2} g_i \Big\rangle

Arjovsky et al., "Invariant Risk Minimization", 2019, arXiv:1907.02893: the square is the penalty of (IRMv1), the
product of two halves its unbiased estimate (appendix D). Both take one number as the dummy, ``dummy="scalar"``: the
sum of ``g`` over classes. Seq-to-Final (arXiv:2407.09642) takes one number a class, ``dummy="classes"``, the halves, a
coefficient of 1, and the *sum* over environments of risk and penalty; how environments are joined is the caller's.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["annealed_coefficient", "irm_gradient", "irm_halves", "irm_square"]

_Dummy = Literal["scalar", "classes"]


def irm_gradient(logits: Tensor, labels: Tensor, *, dummy: _Dummy = "scalar") -> Tensor:
    """Return each image's gradient of cross-entropy with respect to the dummy, in closed form.

    Args:
        logits: Of one environment, ``(N, C)``. Gradients flow through.
        labels: ``(N,)``, all known.
        dummy: ``scalar``, one number for all classes; ``classes``, one a class.

    Returns:
        ``(N, 1)`` or ``(N, C)``, in nats.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> irm_gradient(torch.tensor([[2.0, 2.0]]), torch.tensor([0]), dummy="classes")
        tensor([[-1.,  1.]])
    """
    checks.logits_and_labels(logits, labels)
    checks.one_of(("scalar", "classes"), dummy=dummy)
    logits = full_precision(logits)
    gradient = logits * (logits.softmax(dim=1) - F.one_hot(labels, logits.shape[1]).to(logits.dtype))
    return gradient.sum(dim=1, keepdim=True) if dummy == "scalar" else gradient


def irm_square(logits: Tensor, labels: Tensor, *, dummy: _Dummy = "scalar") -> Tensor:
    """Return the penalty of IRMv1: the squared norm of the mean gradient.

    On a batch it is larger than on all images, by the variance of the mean; :func:`irm_halves` is not.

    Args:
        logits: Of one environment, ``(N, C)``, ``N >= 1``.
        labels: ``(N,)``, all known.
        dummy: As for :func:`irm_gradient`.

    Returns:
        A scalar, ``>= 0``; 0 where no multiple of the logits has a lower risk.

    Raises:
        ValueError: If there is no image, or the shapes do not fit.

    Example:
        >>> irm_square(torch.tensor([[2.0, 2.0], [4.0, 4.0]]), torch.tensor([0, 0]), dummy="classes")
        tensor(4.5000)
    """
    checks.at_least(1, images=logits.shape[0])
    return irm_gradient(logits, labels, dummy=dummy).mean(dim=0).square().sum()


def irm_halves(logits: Tensor, labels: Tensor, *, generator: torch.Generator, dummy: _Dummy = "scalar") -> Tensor:
    """Return the product of the mean gradients of two random halves: unbiased for the squared norm, and of any sign.

    Args:
        logits: Of one environment, ``(N, C)``, ``N >= 2``; of an odd number the first half has one more.
        labels: ``(N,)``, all known.
        generator: Draws the halves.
        dummy: As for :func:`irm_gradient`.

    Returns:
        A scalar; negative where the halves disagree.

    Raises:
        ValueError: If there are fewer than two images, or the shapes do not fit.

    Example:
        >>> z, y = torch.tensor([[2.0, 2.0], [4.0, 4.0]]), torch.tensor([0, 0])
        >>> irm_halves(z, y, generator=torch.Generator(), dummy="classes")
        tensor(4.)
    """
    checks.at_least(2, images=logits.shape[0])
    order = torch.randperm(logits.shape[0], generator=generator, device=generator.device).to(logits.device)
    gradient = irm_gradient(logits, labels, dummy=dummy)[order]
    return (gradient[0::2].mean(dim=0) * gradient[1::2].mean(dim=0)).sum()


def annealed_coefficient(step: int, *, coefficient: float, anneal_steps: int) -> float:
    """Return the weight of the penalty at a step: 1 for the first ``anneal_steps``, then ``coefficient``.

    As in DomainBed (Gulrajani and Lopez-Paz, 2021, arXiv:2007.01434), which makes the optimiser anew at the switch.

    Args:
        step: From 0.
        coefficient: ``>= 0``; often tuned over decades, 0.1 to 1e5.
        anneal_steps: ``>= 0``.

    Example:
        >>> [annealed_coefficient(step, coefficient=100.0, anneal_steps=2) for step in range(4)]
        [1.0, 1.0, 100.0, 100.0]
    """
    checks.at_least(0, step=step, coefficient=coefficient, anneal_steps=anneal_steps)
    return float(coefficient) if step >= anneal_steps else 1.0
