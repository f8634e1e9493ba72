r"""Deep CORAL: the features of two domains are to have one covariance.

.. math:: \ell = \frac{1}{4 D^2} \| C_a - C_b \|_F^2

with the covariances of ``D`` features over the images of a batch, divided by ``n - 1``. Sun and Saenko, "Deep CORAL:
Correlation Alignment for Deep Domain Adaptation", 2016, arXiv:1607.01719, eq. 1 to 3. Ours differs: covariances are
computed from centred features, and gradients flow into both domains.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["coral", "coral_of_pairs"]


def coral(first: Tensor, second: Tensor) -> Tensor:
    """Measure how far apart the covariances of two domains' features are.

    Args:
        first: Features ``(N, D)``, ``N >= 2``.
        second: Features ``(M, D)``, ``M >= 2``; of another number of images if wanted.

    Returns:
        A scalar, ``>= 0``, in features to the fourth power; blind to the domains' means.

    Raises:
        ValueError: If a domain has fewer than two images, or the widths differ.

    Example:
        >>> coral(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0], [1.0]]))
        tensor(1.)
    """
    checks.two_dimensional(first=first, second=second)
    checks.at_least(2, images=min(first.shape[0], second.shape[0]))
    width = first.shape[1]
    if second.shape[1] != width:
        raise ValueError(f"both domains must have features of one width: first {width}, second {second.shape[1]}")
    return (_covariance(first) - _covariance(second)).square().sum() / (4 * width**2)


def coral_of_pairs(domains: Sequence[Tensor]) -> Tensor:
    """Average :func:`coral` over all pairs of at least two domains, each ``(N_e, D)``.

    >>> far, near = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]])
    >>> coral_of_pairs([far, near, near])
    tensor(0.6667)
    """
    checks.at_least(2, domains=len(domains))
    return torch.stack([coral(first, second) for first, second in itertools.combinations(domains, 2)]).mean()


def _covariance(features: Tensor) -> Tensor:
    centred = full_precision(features)
    centred = centred - centred.mean(dim=0)
    with torch.autocast(centred.device.type, enabled=False):
        return centred.T @ centred / (centred.shape[0] - 1)
