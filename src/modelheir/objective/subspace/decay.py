r"""Weight decay of all weights that move in a plane, at the cost of their coordinates.

.. math:: \frac{\lambda}{2} \|w_0 + P^T z\|^2 = \frac{\lambda}{2} (\|w_0\|^2 + 2 z^T P w_0 + z^T P P^T z)

The decay that an optimiser has pulls coordinates to 0, and so weights to where they began; this one pulls the weights,
as in Li et al., "Trainable Weight Averaging", ICLR 2023, arXiv:2205.13104. It holds for every basis: ``P P^T`` is the
identity where rows are orthonormal, and has a part for each block of coordinates.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.objective.subspace.residual import planes

__all__ = ["PlaneDecay"]


class PlaneDecay:
    """The term of an objective that is the decay of weights in a plane; they must be as they began when it is made.

    A step outside the plane changes nothing of what this says of the plane, to rounding: its residual is orthogonal.

    Args:
        model: Its weights move by ``coordinates``.
        coordinates: Of any shape, ``n`` numbers.
        weight: ``lambda``, ``>= 0``.
        without: Weights that are not decayed, such as norms and biases, by identity: those that planes move from.

    Raises:
        ValueError: If no weight is left to decay.

    Example:
        >>> from modelheir.models.adapters import add_basis
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[3.0, 1.0]])
        >>> z = add_basis(layer, {"weight": torch.tensor([[[1.0, 0.0]]])})
        >>> PlaneDecay(layer, z, weight=2.0)().item()
        10.0
    """

    def __init__(
        self, model: nn.Module, coordinates: nn.Parameter, *, weight: float, without: Collection[Tensor] = ()
    ) -> None:
        checks.at_least(0, weight=weight)
        left = {id(one) for one in without}
        moved = [(held, plane) for held, plane in planes(model).items() if id(held) not in left]
        if not moved:
            raise ValueError("no weight that moves in a plane is left to decay")
        self.coordinates, self.weight, count = coordinates, weight, coordinates.numel()
        self.start = torch.zeros(count, dtype=torch.float64)  #: ``P w_0``
        self.gram = torch.zeros(count, count, dtype=torch.float64)  #: ``P P^T``
        self.constant = 0.0  #: squared norm of ``w_0``
        for held, plane in moved:
            own, first = slice(plane.block, None, plane.blocks), held.detach().flatten()
            with torch.autocast(first.device.type, enabled=False):
                rows = plane.basis.flatten(1).to(first)
                self.start[own] += (rows @ first).cpu().double()
                self.gram[own, own] += (rows @ rows.T).cpu().double()
                self.constant += float(first.square().sum(dtype=torch.float64))

    def __call__(self) -> Tensor:
        """Return the term where the coordinates are now, a scalar with gradient."""
        z = self.coordinates.reshape(-1)
        if self.start.device != z.device or self.start.dtype != z.dtype:
            self.start, self.gram = self.start.to(z), self.gram.to(z)
        with torch.autocast(z.device.type, enabled=False):
            return self.weight / 2 * (self.constant + 2 * (z @ self.start) + z @ (self.gram @ z))
