r"""The penalty on the squares of weights, as the decay of an optimiser, so that a step has no term to add up.

.. math:: \lambda\,\Omega(\theta), \quad \Omega = \sum_i \theta_i^2, \qquad \nabla = 2\lambda\theta

over the weights of convolutions and the weights and biases of linear layers; batch norms and the biases of
convolutions are left out. There is no 1/2, so a coupled optimiser's decay, which adds ``decay * weight`` to the
gradient, is ``2 * penalty`` (Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642, whose code adds the term to the loss).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from modelheir import checks

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["penalise_squares"]


def penalise_squares(penalty: float) -> Callable[[nn.Module], Sequence[tuple[Sequence[Tensor], float, float | None]]]:
    """Return a task's ``parameter_groups`` that pull weights towards 0 by ``2 * penalty`` times themselves.

    Args:
        penalty: Factor of the sum of squares in the loss, ``>= 0``. It is that of the optimisers ``adam``, ``sgd`` and
            ``rmsprop``; the decay of ``adamw`` is no gradient.
    """
    checks.at_least(0, penalty=penalty)
    return functools.partial(_split, 2 * penalty)


def _split(decay: float, module: nn.Module) -> list[tuple[Sequence[Tensor], float, float | None]]:
    from torch.nn import Linear
    from torch.nn.modules.conv import _ConvNd

    pulled: dict[int, Tensor] = {}
    for one in module.modules():
        held = [one.weight, one.bias] if isinstance(one, Linear) else [one.weight] if isinstance(one, _ConvNd) else []
        pulled |= {id(value): value for value in held if value is not None}
    free = [value for value in module.parameters() if id(value) not in pulled]
    return [(list(pulled.values()), 1.0, decay), (free, 1.0, 0.0)]
