r"""Correlation congruence (CC): the batch's matrix of kernels between images shall stay as it was.

.. math:: \ell_i = \tfrac{1}{B} \sum_j (k_{ij} - k^{old}_{ij})^2, \qquad
          k_{ij} = \sum_{p=0}^{P} e^{-2 \gamma} \frac{(2 \gamma)^p}{p!} (f_i^\top f_j)^p

with features of unit length: the Taylor series of the Gaussian kernel ``exp(-gamma |f_i - f_j|^2)``. The mean of the
values is the loss. Peng et al., "Correlation Congruence for Knowledge Distillation", 2019, arXiv:1904.01802, sec. 3.

Kernels of one model are compared with kernels of the other, so the widths may differ and no embedding is learned.
"""

import math

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.features.maps import check_feature_vectors, unit_length
from modelheir.losses.gather import Gather
from modelheir.losses.precision import full_precision

__all__ = ["correlation_congruence"]


def correlation_congruence(
    new: Tensor, old: Tensor, *, gamma: float = 0.4, order: int = 2, gather: Gather | None = None
) -> Tensor:
    """Measure how badly each image's kernels with the batch are kept.

    Args:
        new: Features of the model in training, shape ``(N, D)``. Gradients flow here only.
        old: Features of the frozen model, shape ``(N, D')``; the widths may differ.
        gamma: Of the Gaussian kernel, ``> 0``; a larger one looks at near images.
        order: ``P``, the last power of the series, ``>= 1``.
        gather: Concatenates a tensor over all processes with gradient, as :func:`all_gather`, where kernels are those
            with the whole batch; ``None`` takes this process's images.

    Returns:
        One value an image of this process, ``>= 0``, shape ``(N,)``; their mean is the loss.

    Raises:
        ValueError: If the shapes do not fit or a setting is out of range.

    Example:
        Cosine 0 against 1, with one power: the kernels differ by ``2 gamma exp(-2 gamma)`` for one of two images.

        >>> new, old = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0], [2.0]])
        >>> correlation_congruence(new, old, gamma=0.5, order=1)
        tensor([0.0677, 0.0677])
    """
    check_feature_vectors(new=new, old=old)
    checks.above(0, gamma=gamma)
    checks.at_least(1, order=order)
    with torch.autocast(new.device.type, enabled=False):
        new, old = (_kernels(full_precision(one), gamma, order, gather) for one in (new, old.detach()))
        return (new - old).square().mean(dim=1)


def _kernels(features: Tensor, gamma: float, order: int, gather: Gather | None) -> Tensor:
    features = unit_length(features)
    cosines = features @ (features if gather is None else gather(features)).T
    series = torch.zeros_like(cosines)
    for power in range(order, -1, -1):
        series = series * cosines + math.exp(-2 * gamma) * (2 * gamma) ** power / math.factorial(power)
    return series
