r"""Several heads on the same vectors, run as one: their weights are stacked, their logits are joined.

.. math:: \tilde z = \frac{\bar z}{\sqrt{1 + \lambda \operatorname{Var}_m z_m}}, \qquad
          u = 1 - \tfrac{1}{M} \sum_m \mathrm{softmax}(z_m)_{\arg\max \tilde z}

element by element, with the variance that divides by ``M - 1`` and ``lambda = 0.3``: the mean-field approximation of a
softmax over a normal distribution of logits, Lu, Ie and Sha, "Mean-Field Approximation to Gaussian-Softmax Integral",
2021, arXiv:2006.07584, with the constant of the public code of Meta Co-Training (arXiv:2311.18083). There a test of
a method in place of a flag let only the plain mean ever run; here training and evaluation join alike.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["StackedLayers", "joined_logits", "joined_uncertainty"]

_SPREAD = 0.3  #: how much disagreement of the members flattens their joined logits


def joined_logits(members: Tensor) -> Tensor:
    """Join the members' logits: the mean, made smaller where they disagree.

    Args:
        members: ``(M, N, C)``, at least one member.

    Returns:
        Logits ``(N, C)``; of one member its own.

    Raises:
        ValueError: If the shape does not fit.

    Example:
        >>> joined_logits(torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]]]))  # 2 / sqrt(1 + 0.3 * 2)
        tensor([[1.5811, 0.0000]])
    """
    _check(members)
    wide = full_precision(members)
    if len(members) == 1:
        return wide[0]
    return wide.mean(dim=0) / (1 + _SPREAD * wide.var(dim=0)).sqrt()


def joined_uncertainty(members: Tensor) -> Tensor:
    """Say how little probability the members give to the class that they choose together.

    Args:
        members: Logits ``(M, N, C)``.

    Returns:
        ``(N,)``, 0 to 1; lower is surer.

    Raises:
        ValueError: If the shape does not fit.

    Example:
        >>> joined_uncertainty(torch.zeros(2, 1, 4))
        tensor([0.7500])
    """
    chosen = joined_logits(members).argmax(dim=1)
    given = full_precision(members).softmax(dim=2).mean(dim=0)
    return 1 - given.gather(1, chosen[:, None])[:, 0]


class StackedLayers(nn.Module):
    """Members of one architecture whose weights and statistics lie stacked, first dimension ``M``.

    In training every member draws its own dropout and keeps its own statistics.

    Args:
        members: Modules that turn vectors ``(N, D)`` into tensors, alike but for their weights; they are copied.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        checks.at_least(1, members=len(members))
        self.members = copy.deepcopy(members[0])
        states = [dict(one.named_parameters()) | dict(one.named_buffers()) for one in members]
        for path, value in states[0].items():
            place, _, name = path.rpartition(".")
            whole = torch.stack([state[path].detach() for state in states])
            owner = self.members.get_submodule(place)
            kept = nn.Parameter(whole) if isinstance(value, nn.Parameter) else whole
            setattr(owner, name, kept)

    def forward(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """Return what each member says of vectors ``(N, D)``: the members' tensors, stacked along a first dimension."""

        def one(values: dict[str, Tensor]) -> tuple[Tensor, ...]:
            return functional_call(self.members, values, (vectors,))

        values: dict[str, Tensor] = {**dict(self.members.named_parameters()), **dict(self.members.named_buffers())}
        return torch.vmap(one, randomness="different")(values)


def _check(members: Tensor) -> None:
    if members.ndim != 3 or not len(members):
        raise ValueError(f"members must have three dimensions (M, N, C) with M >= 1, got {tuple(members.shape)}")
