r"""Standardized logits: each image's logits with mean 0 and variance 1 over the classes.

.. math:: \hat z_{nc} = (z_{nc} - \bar z_n) / \sqrt{\tfrac{1}{C} \sum_k (z_{nk} - \bar z_n)^2 + 10^{-7}}

Of both models and before the temperature, it leaves the student free in the size of its logits: Guo et al., "Reducing
the Teacher-Student Gap via Spherical Knowledge Distillation", 2020, arXiv:2010.07485 (:func:`spherical`).
"""

from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["standardized"]


def standardized(logits: Tensor) -> Tensor:
    """Scale each row to mean 0 and variance 1.

    Args:
        logits: Shape ``(N, C)``.

    Returns:
        Shape ``(N, C)``, without unit, in float32 or wider; gradients flow. A row of equal logits gives zeros.

    Raises:
        ValueError: If the logits are no matrix.

    Example:
        >>> import torch
        >>> standardized(torch.tensor([[5.0, 1.0]]))
        tensor([[ 1., -1.]])
    """
    checks.two_dimensional(logits=logits)
    logits = full_precision(logits)
    centred = logits - logits.mean(dim=1, keepdim=True)
    return centred / (centred.square().mean(dim=1, keepdim=True) + 1e-7).sqrt()
