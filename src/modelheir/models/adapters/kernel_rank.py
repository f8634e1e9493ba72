r"""Adapters of low rank at each position of a kernel: a weight plus, or times, a product of thin factors.

.. math:: \Delta_{o i \kappa} = \sum_{\rho=1}^{r} A^{out}_{\kappa o \rho} A^{in}_{\kappa \rho i}, \qquad
          W_t = W + \sum_{s \le t} \Delta_s \quad\text{or}\quad W_t = W \odot \prod_{s \le t} \Delta_s

with ``kappa`` a position of the kernel (a linear layer has one), ``o`` and ``i`` channels out and in: ``k^2 r (i + o)``
numbers. Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642.

Ours differs: adapters begin as the identity. To add, ``A_out`` is zero (as Hu et al., 2021, arXiv:2106.09685). To
multiply, the first of the ``r`` terms is all ones and ``A_out`` of the others zero; equal terms (every entry
``1 / sqrt(r)``) would be one for ever, as their gradients are equal. The benchmark's own program draws both factors
evenly from -1.5 to 1.5, which ``start="uniform"`` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from modelheir import checks

__all__ = ["KernelRank", "adapt", "rank_cap"]

Kind = Literal["add", "multiply"]

_SPREAD = 1.5  #: of the uniform start


def rank_cap(weight: Tensor) -> int:
    """Return the largest rank whose factors have fewer numbers than a weight ``(outputs, inputs, ...)``; 0 is none.

    Example:
        >>> [rank_cap(torch.empty(classes, 512)) for classes in (10, 20, 2)]
        [9, 19, 1]
    """
    outputs, inputs = weight.shape[:2]
    return (outputs * inputs - 1) // (outputs + inputs)


class KernelRank(nn.Module):
    """The factors of one adapter; :func:`adapt` applies them."""

    def __init__(
        self,
        weight: Tensor,
        *,
        rank: int,
        kind: Kind,
        generator: torch.Generator,
        start: Literal["identity", "uniform"] = "identity",
    ) -> None:
        """Draw the factors.

        Args:
            weight: What is adapted, ``(outputs, inputs, ...)``; its shape, type and device count, not its values.
            rank: ``r``, from 1 to :func:`rank_cap`.
            kind: Whether the weight is added to or multiplied.
            generator: Of the draw, on the CPU.
            start: ``identity`` changes nothing at first; ``uniform`` is far from it.

        Raises:
            ValueError: If the rank is out of range.
        """
        super().__init__()
        checks.one_of(("add", "multiply"), kind=kind)
        checks.one_of(("identity", "uniform"), start=start)
        checks.in_range(1, rank_cap(weight), rank=rank)
        self.kind, self.rank = kind, rank
        outputs, inputs, *kernel = weight.shape
        inner, outer = torch.empty(*kernel, rank, inputs), torch.empty(*kernel, outputs, rank)
        if start == "uniform":
            inner.uniform_(-_SPREAD, _SPREAD, generator=generator)
            outer.uniform_(-_SPREAD, _SPREAD, generator=generator)
        else:
            inner.normal_(generator=generator).div_(inputs**0.5)
            outer.zero_()
            if kind == "multiply":
                inner[..., 0, :] = 1
                outer[..., 0] = 1
        self.inner, self.outer = nn.Parameter(inner.to(weight)), nn.Parameter(outer.to(weight))

    def forward(self) -> Tensor:
        """Return the change ``Delta``, in the shape of the weight."""
        return (self.outer @ self.inner).movedim((-2, -1), (0, 1))

    @torch.no_grad()
    def neutralise(self) -> None:
        """Put in values that leave a weight as it is: ``A_in`` is 0 to add; 1 to multiply, with ``A_out`` 1 / r."""
        self.inner.fill_(float(self.kind == "multiply"))
        if self.kind == "multiply":
            self.outer.fill_(1 / self.rank)


def adapt(weight: Tensor, adapters: Iterable[KernelRank]) -> Tensor:
    """Return a weight changed by adapters of one kind, one after another; their order does not matter."""
    for adapter in adapters:
        change = adapter()
        weight = weight + change if adapter.kind == "add" else weight * change
    return weight
