r"""Coordinates in a plane: all weights together move along a few fixed directions.

.. math:: w = w_0 + P c, \qquad c \in \mathbb{R}^D \text{ trained},\ c = 0 \text{ at first}

Li et al., "Measuring the Intrinsic Dimension of Objective Landscapes", 2018, arXiv:1804.08838, eq. 2, where ``P`` is
random; any other basis goes through :class:`Plane` as well.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.models.adapters.door import reparametrise

__all__ = ["Plane", "add_plane"]


class Plane(nn.Module):
    """Move one weight by coordinates that other weights may share."""

    basis: Tensor

    def __init__(self, coordinates: nn.Parameter, basis: Tensor, *, owner: bool = True) -> None:
        """Keep what is shared, and this weight's part of the directions.

        Args:
            coordinates: ``(D,)``.
            basis: ``(D, *weight.shape)``; not saved, as it can be made again.
            owner: Whether this module lists the coordinates among its parameters; exactly one of those that share does.
        """
        super().__init__()
        checks.same_shape(coordinates=coordinates, basis=basis.flatten(1)[:, 0])
        self.shared = [coordinates]  # a list, so that torch does not count it once for every weight
        if owner:
            self.coordinates = coordinates
        self.register_buffer("basis", basis, persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the moved weight, in the shape of ``weight``."""
        return weight + torch.tensordot(self.shared[0].to(self.basis), self.basis, 1)


def add_plane(model: nn.Module, *, coordinates: int, seed: int, names: Collection[str]) -> nn.Parameter:
    """Let the named parameters move together in a random plane; edits in place.

    Args:
        model: The network.
        coordinates: Directions ``D``, ``>= 1``, each a normal draw of about length 1 over all these parameters.
        seed: Of the directions.
        names: The parameters, in the order of which directions are drawn.

    Returns:
        The coordinates, ``(D,)`` zeros.
    """
    checks.at_least(1, coordinates=coordinates)
    generator = torch.Generator().manual_seed(seed)
    held = {name: model.get_parameter(name) for name in names}
    count = sum(value.numel() for value in held.values())
    first = next(iter(held.values()))
    shared = nn.Parameter(torch.zeros(coordinates, dtype=first.dtype, device=first.device))
    for number, (name, value) in enumerate(held.items()):
        drawn = torch.randn(coordinates, *value.shape, generator=generator) / count**0.5
        path, _, own = name.rpartition(".")
        reparametrise(model.get_submodule(path), own, Plane(shared, drawn.to(value), owner=number == 0))
    return shared
