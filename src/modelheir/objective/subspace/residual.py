r"""The part of a gradient that no direction of the plane has, and a momentum step along it.

.. math:: r = g - P^T P g, \qquad m \leftarrow \gamma m + r, \qquad w_0 \leftarrow w_0 - \alpha m

Li et al., "Low Dimensional Trajectory Hypothesis is True: DNNs Can Be Trained in Tiny Subspaces", TPAMI 45(3), 2023,
arXiv:2103.11154, the second part of P+-BFGS; the rows of ``P`` are orthonormal. The weights that the plane moves from,
``w_0``, take this step, and so do trainable parameters that it does not reach, of which all is residual.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from modelheir.models.adapters import Plane

__all__ = ["Residual", "planes"]


def planes(model: nn.Module) -> dict[nn.Parameter, Plane]:
    """Return the weights that planes move from, and how each is moved; a weight that layers share is there once."""
    found: dict[nn.Parameter, Plane] = {}
    for part in model.modules():
        if isinstance(part, ParametrizationList) and isinstance(plane := part[0], Plane):
            found.setdefault(part.original, plane)  # pyright: ignore[reportArgumentType]
    return found


class Residual:
    """The momentum step outside the plane; a state.

    Args:
        model: The weights that its planes move from become trainable.
        coordinates: Of these planes; not moved here.
        alpha: Rate, ``> 0``.
        gamma: Momentum, 0 to 1.
    """

    def __init__(self, model: nn.Module, coordinates: nn.Parameter, *, alpha: float, gamma: float) -> None:
        self.coordinates, self.alpha, self.gamma = coordinates, alpha, gamma
        self.planes = planes(model)
        for weight in self.planes:
            weight.requires_grad_(True)
        named = model.named_parameters()
        self.moved = {name: one for name, one in named if one.requires_grad and one is not coordinates}
        self.momentum = {name: torch.zeros_like(one) for name, one in self.moved.items()}

    @torch.no_grad()
    def __call__(self, gradients: Mapping[Tensor, Tensor], within: Tensor) -> Tensor:
        """Take the step.

        Args:
            gradients: Of the parameters that move here; one that is absent counts as 0.
            within: ``P g``, in the shape of the coordinates.

        Returns:
            Squared norm of the whole gradient, a scalar.
        """
        squared = within.new_zeros(())
        along = self._along(within)
        for name, weight in self.moved.items():
            held = self.momentum[name] = self.momentum[name].to(weight.device).mul_(self.gamma)
            if (gradient := gradients.get(weight)) is not None:
                squared = squared + gradient.square().sum()
                held.add_(gradient)
            if weight in along:
                held.sub_(along[weight])
            weight.sub_(held, alpha=self.alpha)
        return squared

    def _along(self, within: Tensor) -> dict[nn.Parameter, Tensor]:
        """Return ``P^T P g``: what planes add to 0 at these coordinates."""
        kept = self.coordinates.detach().clone()
        self.coordinates.copy_(within)
        try:
            return {weight: plane(torch.zeros_like(weight)) for weight, plane in self.planes.items()}
        finally:
            self.coordinates.copy_(kept)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the momentum by parameter."""
        return dict(self.momentum)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        self.momentum = {name: state[name].to(one.device) for name, one in self.moved.items()}
