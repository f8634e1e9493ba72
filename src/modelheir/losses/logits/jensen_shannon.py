r"""Jensen-Shannon divergence: how much both models' probabilities miss of their mean.

.. math:: \ell_n = \tfrac{1}{2} \mathrm{KL}(p_n \| m_n) + \tfrac{1}{2} \mathrm{KL}(q_n \| m_n),
          \quad m = \tfrac{1}{2}(p + q),\ p = \mathrm{softmax}(z^{old}),\ q = \mathrm{softmax}(z)

Lin, "Divergence Measures Based on the Shannon Entropy", 1991, doi:10.1109/18.61115, eq. 4.1 with equal weights.
Never above ``log 2``, and never above half of :func:`jeffreys`, the loss that SSLD's documents call by this name.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["jensen_shannon"]


def jensen_shannon(new: Tensor, old: Tensor) -> Tensor:
    """Measure the Jensen-Shannon divergence of each image.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.

    Returns:
        One value an image in nats, 0 to ``log 2``, shape ``(N,)``; not reduced; lower is closer.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> jensen_shannon(torch.tensor([[99.0, 0.0]]), torch.tensor([[0.0, 99.0]]))  # log(2)
        tensor([0.6931])
    """
    checks.two_dimensional(new=new, old=old)
    checks.same_shape(new=new, old=old)
    log_p = functional.log_softmax(full_precision(old.detach()), dim=1)
    log_q = functional.log_softmax(full_precision(new), dim=1)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    terms = log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)
    return terms.sum(dim=1).clamp_min(0) / 2
