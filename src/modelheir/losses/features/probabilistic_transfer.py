r"""Probabilistic knowledge transfer (PKT): which images are likely neighbours of each one shall stay as it was.

.. math:: \ell_i = \sum_{j \ne i} p_{ij} \log \frac{p_{ij}}{q_{ij}}, \qquad
          q_{ij} = \frac{k_{ij}}{\sum_{m \ne i} k_{im}}, \quad k_{ij} = \tfrac12 (1 + \cos(f_i, f_j))

with ``p`` the same of the old features. Passalis and Tefas, "Learning Deep Representations with Probabilistic Knowledge
Transfer", 2018, arXiv:1803.10837, sec. 3, with the cosine kernel.

The paper sums over images where the mean of ours is taken. Kernels below 1e-7 count as 1e-7, on both sides, so that
opposite features stay finite and no value is negative.
"""

import torch
from torch import Tensor

from modelheir.losses.features.maps import check_feature_vectors, unit_length
from modelheir.losses.gather import Gather, first_row
from modelheir.losses.precision import full_precision

__all__ = ["probabilistic_transfer"]

_FLOOR = 1e-7


def probabilistic_transfer(new: Tensor, old: Tensor, *, gather: Gather | None = None) -> Tensor:
    """Measure how far each image's likely neighbours are from the old model's.

    Args:
        new: Features of the model in training, shape ``(N, D)``. Gradients flow here only.
        old: Features of the frozen model, shape ``(N, D')``; the widths may differ.
        gather: Concatenates a tensor over all processes with gradient, as :func:`all_gather`, where neighbours are
            those of the whole batch; ``None`` takes this process's images.

    Returns:
        Kullback-Leibler divergence in nats, ``>= 0``, one value an image of this process, shape ``(N,)``; their mean is
        the loss. An image without others has 0.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        The first image's neighbours were equally near, and now one is twice as near as the other:

        >>> new = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> old = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> probabilistic_transfer(new, old)[0]
        tensor(0.0589)
    """
    check_feature_vectors(new=new, old=old)
    with torch.autocast(new.device.type, enabled=False):
        log_new, log_old = (_log_neighbours(full_precision(one), gather) for one in (new, old.detach()))
        return (log_old.exp() * (log_old - log_new)).sum(dim=1).clamp_min(0)


def _log_neighbours(features: Tensor, gather: Gather | None) -> Tensor:
    """Log-probabilities ``(N, B)`` of each image's neighbours; an image itself has the floor on either side."""
    count = features.shape[0]
    features = unit_length(features)
    whole = features if gather is None else gather(features)
    start = 0 if gather is None else first_row(count)
    kernel = ((1 + features @ whole.T) / 2).clamp_min(_FLOOR)
    rows = torch.arange(start, start + count, device=features.device)
    itself = rows[:, None] == torch.arange(whole.shape[0], device=features.device)
    kernel = kernel.masked_fill(itself, 0)
    total = kernel.sum(dim=1, keepdim=True).clamp_min(_FLOOR)  # of an image without others
    return (kernel.masked_fill(itself, 1) / total).log().masked_fill(itself, -1e4)
