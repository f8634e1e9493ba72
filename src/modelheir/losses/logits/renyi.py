r"""Renyi divergence of the old model's probabilities from the new model's.

.. math:: \ell_n = \tfrac{1}{\alpha - 1} \log \sum_c p_{nc}^{\alpha} q_{nc}^{1 - \alpha},
          \quad p = \mathrm{softmax}(z^{old}),\ q = \mathrm{softmax}(z)

van Erven and Harremoes, "Renyi Divergence and Kullback-Leibler Divergence", 2014, arXiv:1206.2459.
Computed from log-probabilities, so that none needs to be clamped away from zero.
"""

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["renyi"]


def renyi(new: Tensor, old: Tensor, *, alpha: float = 2.0, reorder: bool = False) -> Tensor:
    """Measure the Renyi divergence of each image.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.
        alpha: Order, ``> 0`` and not 1 (there it is :func:`kl_distillation` at temperature 1).
        reorder: Sort both probability vectors first, so that only the shape of the distribution counts.

    Returns:
        One value an image in nats, ``>= 0``, shape ``(N,)``; not reduced; lower is closer.

    Raises:
        ValueError: If the shapes differ or ``alpha`` is out of range.

    Example:
        >>> new, old = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()
        >>> renyi(new, old, alpha=2.0)
        tensor([0.2231])
    """
    checks.two_dimensional(new=new, old=old)
    checks.same_shape(new=new, old=old)
    checks.above(0, alpha=alpha)
    if alpha == 1:
        raise ValueError("alpha must not be 1: use kl_distillation with temperature 1")
    log_p = functional.log_softmax(full_precision(old.detach()), dim=1)
    log_q = functional.log_softmax(full_precision(new), dim=1)
    if reorder:
        log_p, log_q = log_p.sort(dim=1, descending=True).values, log_q.sort(dim=1, descending=True).values
    divergence = torch.logsumexp(alpha * log_p + (1 - alpha) * log_q, dim=1) / (alpha - 1)
    return divergence.clamp_min(0)
