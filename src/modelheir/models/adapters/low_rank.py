r"""Low-rank adapters: a fixed weight plus a product of two thin matrices.

.. math:: W = W_0 + \mathrm{reshape}(U D), \qquad U \in \mathbb{R}^{o \times r},\ D \in \mathbb{R}^{r \times n},\ U = 0
          \text{ at first}

with ``o`` outputs and ``n`` inputs of one output: of a convolution its channels times its taps, of a grouped one the
channels of a group.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, arXiv:2106.09685, eq. 3. Ours differs: there is
no scale beside the learning rate, and convolutions have adapters too.
"""

from __future__ import annotations

from collections.abc import Container

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.models.adapters.door import reparametrise

__all__ = ["LowRank", "add_low_rank"]


class LowRank(nn.Module):
    """Add a matrix of low rank to a weight."""

    def __init__(self, weight: Tensor, *, rank: int, generator: torch.Generator) -> None:
        """Draw ``D``; ``U`` is zero, so that the sum begins as ``weight``.

        Args:
            weight: ``(outputs, ...)``, two dimensions or more.
            rank: Largest rank of the difference, ``>= 1``; no more than ``weight`` itself can have is made.
            generator: Of the draw, on the CPU.
        """
        super().__init__()
        checks.at_least(1, rank=rank)
        outputs, inputs = weight.shape[0], weight[0].numel()
        rank = min(rank, outputs, inputs)
        drawn = torch.randn(rank, inputs, generator=generator) / inputs**0.5
        self.up = nn.Parameter(torch.zeros(outputs, rank, dtype=weight.dtype, device=weight.device))
        self.down = nn.Parameter(drawn.to(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the adapted weight, in the shape of ``weight``."""
        return weight + (self.up @ self.down).reshape(weight.shape)


def add_low_rank(model: nn.Module, *, rank: int, seed: int, leave: Container[str] = ()) -> int:
    """Give the weights of linear layers, convolutions and joint attention projections adapters; edits in place.

    Args:
        model: The network.
        rank: As for :class:`LowRank`.
        seed: Of the first draw.
        leave: Names of parameters that get none.

    Returns:
        How many adapters there are.
    """
    generator = torch.Generator().manual_seed(seed)
    found = [
        (part, name)
        for path, part in model.named_modules()
        if (name := _adaptable(part)) and (f"{path}.{name}" if path else name) not in leave
    ]
    for part, name in found:
        reparametrise(part, name, LowRank(getattr(part, name), rank=rank, generator=generator))
    return len(found)


def _adaptable(part: nn.Module) -> str:
    if isinstance(part, nn.MultiheadAttention):
        return "in_proj_weight" if part.in_proj_weight is not None else ""
    return "weight" if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) else ""
