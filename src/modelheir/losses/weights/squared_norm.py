r"""Weight decay as a term of the loss: the squared norm of the parameters that decay.

.. math:: \Omega = \sum_i \theta_i^2

Without the half that is often written, so that the pull of ``lambda * Omega`` is ``2 * lambda * theta``, as in the
published code of Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642. Which parameters decay:
:func:`~modelheir.losses.weights.penalised.penalised_names`; frozen ones may be among them, as a constant.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir.losses.precision import full_precision

__all__ = ["squared_norm"]


def squared_norm(parameters: Mapping[str, Tensor]) -> Tensor:
    """Sum the squares of parameters.

    Args:
        parameters: Name -> parameter, at least one.

    Returns:
        A scalar, ``>= 0``.

    Raises:
        ValueError: If there is none.

    Example:
        >>> squared_norm({"w": torch.tensor([3.0, 1.0]), "b": torch.tensor([2.0])})
        tensor(14.)
    """
    if not parameters:
        raise ValueError("parameters must hold at least one parameter")
    return torch.stack([full_precision(value).square().sum() for value in parameters.values()]).sum()
