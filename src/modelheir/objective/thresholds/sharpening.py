r"""Sharpening: predictions as soft labels, drawn towards their likeliest class by a temperature.

.. math:: t_{nc} = \frac{p_{nc}^{1/T}}{\sum_k p_{nk}^{1/T}}

Berthelot et al., "MixMatch", 2019, arXiv:1905.02249, eq. 7; Xie et al., "Unsupervised Data Augmentation", 2020,
arXiv:1904.12848 takes ``T = 0.4``. The limit at ``T = 0`` is the likeliest class alone.
"""

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["sharpened"]


@torch.no_grad()
def sharpened(probabilities: Tensor, *, temperature: float) -> Tensor:
    """Return soft labels.

    Args:
        probabilities: ``(B, C)``. No gradient flows.
        temperature: ``T``, ``>= 0``: 1 leaves them as they are, 0 gives the likeliest class all (of equal ones the
            first).

    Returns:
        ``(B, C)``; rows sum to 1.

    Raises:
        ValueError: If the shape does not fit or the temperature is negative.

    Example:
        >>> sharpened(torch.tensor([[0.6, 0.3, 0.1]]), temperature=0.5)
        tensor([[0.7826, 0.1957, 0.0217]])
    """
    checks.two_dimensional(probabilities=probabilities)
    checks.at_least(0, temperature=temperature)
    probabilities = full_precision(probabilities)
    if temperature == 0:
        return torch.zeros_like(probabilities).scatter_(1, probabilities.argmax(dim=1, keepdim=True), 1.0)
    return (probabilities.log() / temperature).softmax(dim=1)
