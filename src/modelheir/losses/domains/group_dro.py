r"""Distributionally robust training over groups: the groups that do worst count most.

.. math:: q_e \leftarrow \frac{q_e \exp(\eta R_e)}{\sum_j q_j \exp(\eta R_j)}, \qquad L = \sum_e q_e R_e

Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", 2020, arXiv:1911.08731, algorithm 1. Ours
differs: all groups are seen at every step, not one that is drawn. Seq-to-Final (arXiv:2407.09642) calls the hard
maximum of the groups' risks DRO: :func:`worst_risk`, whose gradient is that of one group alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["group_dro", "group_risks", "moved_group_weights", "worst_risk"]


def group_risks(values: Tensor, groups: Tensor, *, count: int) -> Tensor:
    """Average the losses of a batch within each group.

    Args:
        values: One loss an image, ``(N,)``.
        groups: Integers ``(N,)``, from 0 to ``count - 1``.
        count: Groups, ``E``.

    Returns:
        ``(E,)``; a group without an image has risk 0, and so no gradient.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> group_risks(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([0, 0, 2]), count=3)
        tensor([2., 0., 5.])
    """
    checks.same_shape(values=values, groups=groups)
    checks.at_least(1, count=count)
    values = full_precision(values)
    sums = values.new_zeros(count).index_add(0, groups, values)
    sizes = values.new_zeros(count).index_add(0, groups, torch.ones_like(values))
    return sums / sizes.clamp_min(1)


def moved_group_weights(weights: Tensor, risks: Tensor, *, step_size: float = 0.01) -> Tensor:
    r"""Return the groups' weights after one step of exponentiated gradient.

    Args:
        weights: ``q``, ``(E,)``, ``>= 0``, sum 1; begin with ``1 / E``.
        risks: ``R``, ``(E,)``; no gradient flows.
        step_size: :math:`\eta`, ``>= 0``.

    Returns:
        New weights ``(E,)`` with sum 1, in the risks' type or wider.

    Raises:
        ValueError: If the shapes differ or ``step_size`` is negative.

    Example:
        >>> moved_group_weights(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0986123]), step_size=1.0)
        tensor([0.2500, 0.7500])
    """
    checks.same_shape(weights=weights, risks=risks)
    checks.at_least(0, step_size=step_size)
    return (full_precision(weights).detach().log() + step_size * full_precision(risks).detach()).softmax(dim=0)


def group_dro(risks: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the groups' risks.

    Args:
        risks: Mean losses of the groups, ``(E,)``. Gradients flow here only.
        weights: As :func:`moved_group_weights` returns them, ``(E,)``.

    Returns:
        A scalar in the risks' unit.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> group_dro(torch.tensor([1.0, 3.0]), torch.tensor([0.25, 0.75]))
        tensor(2.5000)
    """
    checks.same_shape(risks=risks, weights=weights)
    return (full_precision(risks) * weights.detach()).sum()


def worst_risk(risks: Tensor, by: Tensor | None = None) -> Tensor:
    """Return the largest of the groups' risks ``(E,)``; of equal ones the first alone has a gradient.

    ``by`` are the values ``(E,)`` that say which is the largest, where they are not the risks: means over processes.

    >>> worst_risk(torch.tensor([1.0, 3.0]))
    tensor(3.)
    """
    checks.at_least(1, groups=risks.shape[0])
    risks = full_precision(risks)
    by = risks if by is None else by
    checks.same_shape(risks=risks, by=by)
    return risks.gather(0, by.detach().argmax(dim=0, keepdim=True)).sum()
