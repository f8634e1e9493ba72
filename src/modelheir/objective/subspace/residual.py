r"""The part of a gradient that no direction of the plane has, and a momentum step along it.

.. math:: r = g - P^T P g, \qquad m \leftarrow \gamma m + r, \qquad w_0 \leftarrow w_0 - \alpha m

With Li et al., "Low Dimensional Trajectory Hypothesis is True", TPAMI 45(3), 2023, arXiv:2103.11154, P+-BFGS: the rows
of ``P`` are orthonormal. The weights that the plane moves from, ``w_0``, take this step, and so do trainable parameters
that it does not reach, of which all is residual.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from modelheir.models.adapters import Plane

__all__ = ["Residual"]


class Residual:
    """The momentum step outside the plane; a state.

    Args:
        model: Its planes' fixed weights become trainable.
        coordinates: Of the planes; not moved here.
        alpha: Rate, ``> 0``.
        gamma: Momentum, 0 to 1.
    """

    def __init__(self, model: nn.Module, coordinates: nn.Parameter, *, alpha: float, gamma: float) -> None:
        self.coordinates, self.alpha, self.gamma = coordinates, alpha, gamma
        self.planes = {
            f"{path}.original": part[0]
            for path, part in model.named_modules()
            if isinstance(part, nn.utils.parametrize.ParametrizationList) and isinstance(part[0], Plane)
        }
        for name in self.planes:
            model.get_parameter(name).requires_grad_(True)
        self.moved = {
            name: one for name, one in model.named_parameters() if one.requires_grad and one is not coordinates
        }
        self.momentum = {name: torch.zeros_like(one) for name, one in self.moved.items()}

    @torch.no_grad()
    def __call__(self, gradients: Mapping[Tensor, Tensor], within: Tensor) -> Tensor:
        """Take the step.

        Args:
            gradients: Of the parameters that move here, as far as they have one.
            within: ``P g``, in the shape of the coordinates.

        Returns:
            Squared norm of the whole gradient, a scalar.
        """
        inside = self._along(within)
        squared = torch.zeros((), device=self.coordinates.device)
        for name, weight in self.moved.items():
            held = self.momentum[name] = self.momentum[name].to(weight.device).mul_(self.gamma)
            if (gradient := gradients.get(weight)) is not None:
                squared = squared + gradient.square().sum()
                held.add_(gradient)
                if name in inside:
                    held.sub_(inside[name])
            weight.sub_(held, alpha=self.alpha)
        return squared

    def _along(self, within: Tensor) -> dict[str, Tensor]:
        """Return ``P^T P g``, weight by weight: what the planes add to 0 at these coordinates."""
        kept = self.coordinates.detach().clone()
        self.coordinates.copy_(within)
        try:
            return {name: plane(torch.zeros_like(self.moved[name])) for name, plane in self.planes.items()}
        finally:
            self.coordinates.copy_(kept)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the momentum, keys ``<parameter>``."""
        return dict(self.momentum)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        self.momentum = {name: state[name].to(one.device) for name, one in self.moved.items()}
