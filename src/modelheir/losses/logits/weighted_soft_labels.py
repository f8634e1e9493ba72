r"""Weighted soft labels (WSL): an image is imitated the more, the worse the new model knows it than the old one.

.. math:: \ell_n = w_n T^2 \Big(-\sum_c p_{nc} \log q_{nc}\Big), \quad
          w_n = 1 - \exp\!\Big(-\frac{\mathrm{CE}(z_n, y_n)}{\mathrm{CE}(z^{old}_n, y_n) + 10^{-7}}\Big)

with ``p`` and ``q`` the probabilities at temperature ``T``; the weight is at temperature 1 and has no gradient.
Zhou et al., "Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance Tradeoff Perspective", 2021,
arXiv:2102.00650. Soft cross-entropy and not KL is weighted, so the value keeps a floor; an unlabelled image is
weighted by the old model's answer.
"""

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.labels.cross_entropy import cross_entropy
from modelheir.losses.logits.target_class import target_class
from modelheir.losses.logits.teacher_cross_entropy import teacher_cross_entropy

__all__ = ["weighted_soft_labels"]


def weighted_soft_labels(new: Tensor, old: Tensor, labels: Tensor, *, temperature: float = 2.0) -> Tensor:
    """Measure the weighted surprise of each image's old probabilities.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only, and not through the weight.
        old: Logits of the frozen model, shape ``(N, C)``.
        labels: int64 ``(N,)``; -1 is unlabelled.
        temperature: Divisor ``T`` of both logits, ``> 0``.

    Returns:
        One value an image in nats (times ``T**2``), ``>= 0``, shape ``(N,)``; not reduced; lower is closer.

    Raises:
        ValueError: If the shapes do not fit or the temperature is not positive.

    Example:
        >>> even = torch.zeros(1, 2)
        >>> weighted_soft_labels(even, even, torch.tensor([0]), temperature=1.0)  # (1 - 1/e) log(2)
        tensor([0.4382])
    """
    checks.logits_and_labels(new, labels)
    checks.same_shape(new=new, old=old)
    asked = target_class(old, labels)
    ratio = cross_entropy(new.detach(), asked) / (cross_entropy(old.detach(), asked) + 1e-7)
    return -torch.expm1(-ratio) * teacher_cross_entropy(new, old, temperature=temperature)
