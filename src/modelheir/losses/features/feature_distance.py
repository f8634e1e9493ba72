r"""Feature distance: L1, L2 or smooth L1 between two features of one shape, element by element.

.. math:: \ell_i = \tfrac{1}{E} \sum_e d(f_{ie} - f^{old}_{ie}), \quad
          d(x) = |x|, \; x^2, \; \begin{cases} x^2/2 & |x| < 1 \\ |x| - 1/2 & \text{else} \end{cases}

over the ``E`` elements of an image. With ``l2`` and ``both`` it is the feature term of mutual learning (UDML), where
both models are in training; :func:`logit_distance` is its like for outputs. ``l2`` has no factor one half, and
``smooth_l1`` turns at 1.
"""

import math
from typing import Literal

from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["feature_distance"]

Distance = Literal["l1", "l2", "smooth_l1"]

_DISTANCES = {"l1": functional.l1_loss, "l2": functional.mse_loss, "smooth_l1": functional.smooth_l1_loss}


def feature_distance(new: Tensor, old: Tensor, *, distance: Distance = "l2", both: bool = False) -> Tensor:
    """Measure how far each image's features are from its old ones.

    Args:
        new: Features of the model in training: vectors or maps, shape ``(N, ...)``.
        old: Features of the other model, the same shape.
        distance: ``"l1"``, ``"l2"`` or ``"smooth_l1"`` of each element's difference.
        both: Let gradients flow into ``old`` too, where both models learn from each other.

    Returns:
        Mean over an image's elements, ``>= 0``, shape ``(N,)``; not reduced over images.

    Raises:
        InputError: If the shapes differ or the word is unknown.

    Example:
        >>> import torch
        >>> feature_distance(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([2.])
    """
    if new.shape != old.shape:
        shapes = f"{tuple(new.shape)} and {tuple(old.shape)}"
        raise checks.InputError(f"features must have one shape, got {shapes}: tap others, or take hint.")
    checks.one_of(_DISTANCES, distance=distance)
    new, old = full_precision(new), full_precision(old if both else old.detach())
    gap = _DISTANCES[distance](new, old, reduction="none")
    return gap.reshape(gap.shape[0], math.prod(gap.shape[1:])).mean(dim=1)
