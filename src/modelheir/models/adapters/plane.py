r"""Coordinates in a plane: all weights together move along a few fixed directions.

.. math:: w = w_0 + P^T z, \qquad z \in \mathbb{R}^n \text{ trained},\ z = 0 \text{ at first}, \qquad
          \frac{\partial L}{\partial z} = P \frac{\partial L}{\partial w}

Li et al., "Measuring the Intrinsic Dimension of Objective Landscapes", 2018, arXiv:1804.08838, eq. 2, where ``P`` is
random (:func:`add_plane`); any other basis goes through :func:`add_basis`. Plain gradient descent on ``z`` is projected
gradient descent on ``w`` where the directions are orthonormal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.checks import InputError
from modelheir.models.adapters.door import reparametrise

__all__ = ["Plane", "add_basis", "add_plane"]


class Plane(nn.Module):
    """Move one weight by coordinates that other weights may share."""

    basis: Tensor

    def __init__(
        self, coordinates: nn.Parameter, basis: Tensor, *, owner: bool = True, block: int = 0, blocks: int = 1
    ) -> None:
        """Keep what is shared, and this weight's part of the directions.

        Args:
            coordinates: ``(n * blocks,)``: those of a direction stand together, one for each block of weights.
            basis: ``(n, *weight.shape)``, perhaps in half precision, which sums do not share; not saved, as it can be
                made again.
            owner: Whether this module lists the coordinates among its parameters; exactly one of those that share does.
            block: Of this weight, from 0.
            blocks: Blocks of weights with coordinates of their own, ``>= 1``.
        """
        super().__init__()
        checks.in_range(0, blocks - 1, block=block)
        if coordinates.shape != (len(basis) * blocks,):
            raise ValueError(f"coordinates must be {len(basis)} x {blocks} numbers, got shape {coordinates.shape}")
        self.shared = [coordinates]  # a list, so that torch does not count it once for every weight
        self.block, self.blocks = block, blocks
        if owner:
            self.coordinates = coordinates
        # rows, as torch takes five dimensions for images with channels and refuses to lay them out
        self.register_buffer("basis", basis.flatten(1), persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the moved weight, in the shape of ``weight``."""
        own = self.shared[0].view(-1, self.blocks)[:, self.block].to(weight)
        with torch.autocast(weight.device.type, enabled=False):  # steps are small against the weight
            same = self.basis.dtype == own.dtype
            moved = own @ self.basis if same else _Expand.apply(own, self.basis)
        return weight + moved.view_as(weight)


class _Expand(torch.autograd.Function):
    """``P^T z`` of a basis in half precision, which is widened for the product alone and kept as it is."""

    generate_vmap_rule = True

    @staticmethod
    def forward(own: Tensor, basis: Tensor) -> Tensor:
        return torch.cat([own @ part.to(own.dtype) for part in _parts(basis)])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Project.apply(grad, *ctx.saved_tensors), None


class _Project(torch.autograd.Function):
    """``P g`` of the same; each is the other's derivative, so that both can be derived any number of times."""

    generate_vmap_rule = True

    @staticmethod
    def forward(vector: Tensor, basis: Tensor) -> Tensor:
        parts = _parts(basis)
        return sum(
            (part.to(vector.dtype) @ own for part, own in zip(parts, vector.split(parts[0].shape[1]), strict=True)),
            start=vector.new_zeros(len(basis)),
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Expand.apply(grad, *ctx.saved_tensors), None


def _parts(basis: Tensor) -> tuple[Tensor, ...]:
    """Cut a basis into columns of which a widened copy is small: in a processor's cache, or a part of its memory."""
    return basis.split(max((2**18 if basis.device.type == "cpu" else 2**24) // len(basis), 1), dim=1)


def add_plane(model: nn.Module, *, coordinates: int, seed: int, names: Collection[str]) -> nn.Parameter:
    """Let the named parameters move together in a random plane; edits in place.

    Args:
        model: The network.
        coordinates: Directions ``n``, ``>= 1``, each a normal draw of about length 1 over all these parameters.
        seed: Of the directions.
        names: The parameters, in the order of which directions are drawn.

    Returns:
        The coordinates, ``(n,)`` zeros.
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


def add_basis(
    model: nn.Module,
    rows: Mapping[str, Tensor | np.ndarray],
    *,
    blocks: Mapping[str, int] | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Parameter:
    """Let parameters move together along given directions, from where they are; edits in place.

    A forward pass reads the basis once, and so does a backward pass: ``2 n M`` products each.

    Args:
        model: The network. Parameters that ``rows`` does not name stay as they are, and train if they did; a parameter
            that several layers share moves in all of them.
        rows: For each parameter by name its part of the ``n`` directions, ``(n, *shape)``, as
            :meth:`~modelheir.subspace.Basis.rows` returns them; copied to the parameter's device.
        blocks: For each of these parameters the block it belongs to, from 0 without a gap; each block has coordinates
            of its own. Absent is one block.
        dtype: In which the directions are kept, such as ``torch.bfloat16``; absent takes the parameter's. Products
            with them are summed in the parameter's type all the same, under autocast too.

    Returns:
        The coordinates, zeros ``(n * blocks,)``; viewed as ``(n, blocks)``, a row for each direction.

    Raises:
        InputError: If the model has no such parameter, or one of another shape.
        ValueError: If ``rows`` is empty, the counts of directions differ, or ``blocks`` has gaps or other names.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> z = add_basis(layer, {"weight": torch.tensor([[[0.6, 0.8]]])})
        >>> layer(torch.tensor([[1.0, 2.0]])).sum().backward()
        >>> z.grad
        tensor([2.2000])
    """
    counts = {len(part) for part in rows.values()}
    if len(counts) != 1:
        raise ValueError(f"rows must name parameters, all with as many directions; got {sorted(counts)}")
    own = dict(model.named_parameters())
    for name, part in rows.items():
        if name not in own:
            raise InputError(f"the model has no parameter {name!r} to move.{checks.nearest(name, own)}")
        if tuple(part.shape[1:]) != tuple(own[name].shape):
            raise InputError(
                f"directions of {name!r} have shape {tuple(part.shape[1:])}, the parameter {tuple(own[name].shape)}: "
                "the basis is of another model."
            )
    places = dict.fromkeys(rows, 0) if blocks is None else dict(blocks)
    many = max(places.values(), default=0) + 1
    if set(places) != set(rows) or set(places.values()) != set(range(many)):
        raise ValueError("blocks must number the parameters of rows from 0 without a gap")
    first = own[next(iter(rows))]
    shared = nn.Parameter(torch.zeros(counts.pop() * many, dtype=first.dtype, device=first.device))
    homes = [(part, key, value) for part in model.modules() for key, value in part.named_parameters(recurse=False)]
    owner = True
    for name, part in rows.items():
        held = part if isinstance(part, Tensor) else torch.from_numpy(np.array(part))
        basis = held.detach().to(own[name].device, dtype or own[name].dtype, copy=isinstance(part, Tensor))
        for layer, key, value in homes:
            if value is own[name]:  # in several layers, if they share it
                reparametrise(layer, key, Plane(shared, basis, owner=owner, block=places[name], blocks=many))
                owner = False
    return shared
