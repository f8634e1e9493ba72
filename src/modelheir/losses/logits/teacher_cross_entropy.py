r"""Soft cross-entropy: the surprise of the new model at what the old one answers, without any label.

.. math:: \ell_n = -T^2 \sum_c p_{nc} \log q_{nc}, \quad p = \mathrm{softmax}(z^{old}/T),\ q = \mathrm{softmax}(z/T)

Hinton et al., 2015, arXiv:1503.02531; at ``T = 1`` the loss of half of SSLD's recipes. It is :func:`kl_distillation`
plus ``T**2`` times the entropy of ``p``, which is constant: both have the same gradient, and only this value keeps a
floor. A teacher that answers evenly gives ``T**2`` times ``log C`` for an even student and can teach nothing else.
"""

from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.labels.soft_cross_entropy import soft_cross_entropy
from modelheir.losses.precision import full_precision

__all__ = ["teacher_cross_entropy"]


def teacher_cross_entropy(new: Tensor, old: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Measure the surprise of each image's old probabilities.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.
        temperature: Divisor ``T`` of both logits, ``> 0``.

    Returns:
        One value an image in nats (times ``T**2``), at least the entropy of ``old``, shape ``(N,)``; not reduced.

    Raises:
        ValueError: If the shapes differ or the temperature is not positive.

    Example:
        >>> import torch
        >>> teacher_cross_entropy(torch.zeros(1, 2), torch.tensor([[3.0, 0.0]]))  # log(2)
        tensor([0.6931])
    """
    checks.two_dimensional(new=new, old=old)
    checks.above(0, temperature=temperature)
    target = functional.softmax(full_precision(old.detach()) / temperature, dim=1)
    return soft_cross_entropy(full_precision(new) / temperature, target) * temperature**2
