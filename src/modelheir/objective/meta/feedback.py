r"""What a student's step was worth to it: a scalar a batch, or a reward for every sample and class.

A teacher with probabilities ``p`` draws labels ``y`` for ``B`` unlabelled samples; its student takes the step
``w' = w - eta g(y)`` with ``g`` the gradient of the mean cross-entropy to ``y``. The teacher wants the student's
labelled loss ``L(w')`` to fall. With ``l`` the gradient of ``L``,

.. math:: L(w') = L(w) - \eta \langle l, g \rangle + O(\eta^2), \qquad
          \nabla E[L(w')] = E[L(w') \nabla \log p(y)] = -E[L(w') \nabla CE(z, y)],

so the teacher descends ``h CE(z, y)``, its own loss on the labels that it gave, with
``h = eta <l, g> ~ L(w) - L(w')``: **old minus new**, above 0 where the labels helped. (A baseline ``L(w)`` that does
not depend on ``y`` changes nothing in expectation.) Pham et al., "Meta Pseudo Labels", 2021, arXiv:2003.10580, eq. 12;
Rothenberger and Diochnos, "Meta Co-Training", 2023, arXiv:2311.18083. Both public codes of the former use new minus
old.

Scale. For plain SGD ``(L(w) - L(w')) / eta`` is the product of ``g`` with the mean of ``l`` before and after the step,
to the second order. Clipping to norm 1 multiplies it by ``c = min(1, 1 / |g|)``. Adam moves by another vector than
``g``: at its first step by ``g / (|g| + eps)`` element by element, so that the difference over ``eta`` is about
``<sign(g), l>``. The two scalars thus differ by a learning rate and by what the optimiser does to a gradient, and one
weight does not suit both.

One scalar for ``B`` labels: ``g`` is the mean of the samples' ``g_i``, and the label of one sample is independent of
the score of another, so ``E[h s]`` with ``s`` the gradient of the **mean** of the cross-entropies is ``1 / B`` times
the gradient wanted; all that the other ``B^2 - B`` products add is variance. If the labels in ``s`` are drawn anew,
nothing is left: a score has mean 0.

Without sampling. ``<l, g>`` is linear in the labels: it is the mean over samples of ``R[i, y_i]`` with

.. math:: R_{ic} = \langle l, \nabla CE_{ic} \rangle = -D_l \log p_w(c \mid u_i),

a derivative along one direction, so one forward-mode pass (``torch.func.jvp``) gives the whole table, and the
expectation over labels can be taken: the teacher descends ``-(1/B) sum_ic p_ic R_ic``.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.losses.precision import full_precision
from modelheir.objective.meta.heads import logits_at

__all__ = ["adjusted_rewards", "difference_feedback", "dot_feedback", "meta_loss", "reward_table"]


def dot_feedback(taught: Mapping[Any, Tensor], labelled: Mapping[Any, Tensor]) -> Tensor:
    """Return the product of two gradients of one student, summed over its parameters: ``<l, g>``.

    Args:
        taught: ``g``, of its loss on what it was taught, not clipped; parameter (or its name) -> gradient.
        labelled: ``l``, of its labelled loss; a parameter that only one of them has counts 0.

    Returns:
        A scalar: above 0 where the step along ``-g`` lowers the labelled loss. Times the learning rate it is
        :func:`difference_feedback` of a plain step of SGD, to the first order.

    Raises:
        ValueError: If no parameter is in both, or shapes differ.

    Example:
        >>> dot_feedback({"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 0.5])})
        tensor(4.)
    """
    shared = [key for key in taught if key in labelled]
    if not shared:
        raise ValueError("the two gradients have no parameter in common: they must be of one student")
    for key in shared:
        checks.same_shape(taught=taught[key], labelled=labelled[key])
    return torch.stack([(full_precision(taught[key]) * full_precision(labelled[key])).sum() for key in shared]).sum()


def difference_feedback(before: Tensor, after: Tensor) -> Tensor:
    """Return how far a labelled loss fell over a student's step: old minus new, the sign that the derivation gives.

    Args:
        before: The loss before the step, of any shape.
        after: After it, on the **same** labelled samples: on others the difference is mostly that of the samples.

    Returns:
        The same shape; above 0 where the labels helped.

    Example:
        >>> difference_feedback(torch.tensor(1.5), torch.tensor(1.25))
        tensor(0.2500)
    """
    checks.same_shape(before=before, after=after)
    return before - after


def reward_table(
    model: nn.Module,
    inputs: Tensor,
    direction: Mapping[Tensor, Tensor],
    *,
    weights: Mapping[Tensor, Tensor] | None = None,
) -> Tensor:
    """Return what each class would be worth as the label of each sample: ``-D_l log p(c | u_i)``.

    One forward-mode pass, whatever the number of classes. It runs in the module's mode at the time; evaluation mode
    makes it a function of weights and samples alone, and leaves running statistics where they are.

    Args:
        model: The student.
        inputs: Unlabelled samples, ``(B, D)``.
        direction: ``l``: trainable parameter of ``model`` -> gradient of its labelled loss. An absent one counts 0.
        weights: Parameter -> the value that it had when it was taught; none: as it is.

    Returns:
        ``(B, C)``, without gradient; above 0 where teaching that class to that sample lowers the labelled loss. The
        mean over samples of the entries of their labels is :func:`dot_feedback`.

    Raises:
        ValueError: If no parameter of the model is in ``direction``.

    Example:
        >>> head = torch.nn.Linear(1, 2, bias=False)
        >>> reward_table(head, torch.ones(1, 1), {head.weight: torch.tensor([[1.0], [-1.0]])}).sign()
        tensor([[-1.,  1.]])
    """
    named = {name: one for name, one in model.named_parameters() if one in direction}
    if not named:
        raise ValueError("the direction has no parameter of this model: give the gradients of its labelled loss")
    at = weights or {}
    primals = {name: at.get(one, one).detach() for name, one in named.items()}
    tangents = {name: direction[one].detach().to(one.dtype) for name, one in named.items()}

    def said(moved: dict[str, Tensor]) -> Tensor:
        return logits_at(model, moved, inputs).log_softmax(dim=1)

    _load_forward_mode()
    with torch.no_grad():
        table: Any = torch.func.jvp(said, (primals,), (tangents,))[1]
    return -table


@functools.cache
def _load_forward_mode() -> None:
    """Let torch load what its first forward-mode pass needs, which warns of a way of its own that it will leave."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.func.jvp(torch.neg, (torch.zeros(()),), (torch.zeros(()),))


def adjusted_rewards(
    rewards: Tensor,
    logits: Tensor,
    *,
    centred: bool = True,
    scaled: bool = True,
    mean: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return rewards of mean 0 a sample and of size 1 over the batch, as asked.

    Centring alone changes no gradient of :func:`meta_loss`, as probabilities add up to 1; it changes what scaling
    divides by, which is then the spread of rewards within a sample. Rewards that are all 0 stay 0.

    Args:
        rewards: ``(..., B, C)``.
        logits: Of the teacher, the same shape; their probabilities are the weights of the mean. Constants here.
        centred: Take off each sample's mean.
        scaled: Divide by the root mean square over samples and classes.
        mean: Averages a tensor over processes; ``None`` is one process.

    Example:
        >>> adjusted_rewards(torch.tensor([[4.0, 0.0]]), torch.zeros(1, 2))
        tensor([[ 1., -1.]])
    """
    checks.same_shape(rewards=rewards, logits=logits)
    if centred:
        rewards = rewards - (logits.detach().softmax(dim=-1) * rewards).sum(dim=-1, keepdim=True)
    if scaled:
        square = rewards.square().mean(dim=(-2, -1), keepdim=True)
        size = (mean(square) if mean is not None else square).sqrt()
        rewards = rewards / torch.where(size > 0, size, torch.ones_like(size))
    return rewards


def meta_loss(logits: Tensor, rewards: Tensor) -> Tensor:
    """Return what a teacher descends so that its labels lower the student's labelled loss.

    Args:
        logits: Of the teacher, ``(B, C)``; gradients flow here only.
        rewards: ``(B, C)``, as :func:`reward_table` gives them; a row of zeros is a sample that was not taught.

    Returns:
        Scalar: minus the mean over samples of the expected reward of a label drawn from the teacher.

    Raises:
        ValueError: If shapes differ or are not ``(B, C)``.

    Example:
        >>> meta_loss(torch.zeros(1, 2), torch.tensor([[3.0, 1.0]]))
        tensor(-2.)
    """
    checks.two_dimensional(logits=logits, rewards=rewards)
    checks.same_shape(logits=logits, rewards=rewards)
    return -(logits.softmax(dim=1) * rewards.detach()).sum(dim=1).mean()
