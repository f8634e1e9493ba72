r"""Averages of several models' weights: a soup of models of one task, or of those along a sequence in time.

.. math:: \theta = \sum_k w_k \theta_k \Big/ \sum_k w_k

Wortsman et al., "Model soups", 2022, arXiv:2203.05482, with equal weights. Along a sequence, they may rise
towards the newest model, as :func:`~modelheir.losses.rising_weights` do. Of two models it is WiSE-FT:
:func:`~modelheir.models.blends.interpolation.interpolate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from modelheir import checks

__all__ = ["soup"]


def soup(states: Sequence[Mapping[str, Tensor]], *, weights: Sequence[float] = ()) -> dict[str, Tensor]:
    """Average state dicts of one architecture.

    Args:
        states: At least one, with the same names and shapes, running statistics among them.
        weights: One a state, ``>= 0``, not all 0; they are scaled to sum 1. Empty, all count the same.

    Returns:
        The state dict, new tensors in the first one's types; whole numbers (step counters) are the first one's.

    Raises:
        ValueError: If there is none, names differ, or the weights do not fit.

    Example:
        >>> one, three = {"w": torch.tensor([1.0])}, {"w": torch.tensor([3.0])}
        >>> soup([one, three])["w"], soup([one, three], weights=(1, 3))["w"]
        (tensor([2.]), tensor([2.5000]))
    """
    checks.at_least(1, state_dicts=len(states))
    first = states[0]
    if any(set(state) != set(first) for state in states):
        raise ValueError("the state dicts of a soup must name the same tensors")
    if weights:
        if len(weights) != len(states):
            raise ValueError(f"a soup needs one weight a state dict: {len(states)} states, {len(weights)} weights")
        checks.at_least(0, weight=min(weights))
        checks.above(0, sum_of_weights=sum(weights))
    result: dict[str, Tensor] = {}
    for name, value in first.items():
        if not value.is_floating_point() or len(states) == 1:
            result[name] = value.detach().clone()
            continue
        rows = torch.stack([state[name].detach().to(value.device).float() for state in states])
        if weights:
            share = torch.tensor([one / sum(weights) for one in weights], dtype=rows.dtype, device=rows.device)
            result[name] = torch.tensordot(share, rows, dims=1).to(value.dtype)
        else:
            result[name] = rows.mean(dim=0).to(value.dtype)
    return result
