r"""Spherical knowledge distillation (SKD): both models' logits are brought to one size before they are compared.

.. math:: \ell_n = \alpha T^2 \Big(-\sum_c p_{nc} \log q_{nc}\Big) + (1 - \alpha)\, \mathrm{CE}(\mu \hat z_n, y_n),
          \quad p = \mathrm{softmax}(\mu \hat z^{old}/T),\ q = \mathrm{softmax}(\mu \hat z/T)

with the :func:`standardized` logits. Guo et al., "Reducing the Teacher-Student Gap via Spherical Knowledge
Distillation", 2020, arXiv:2010.07485, as SSLD's toolbox has it: one number is the size of all logits, and soft
cross-entropy stands for KL. It holds the label's loss already: no other loss is needed. That part is 0 for an
unlabelled image, and knows no temperature.
"""

from torch import Tensor

from modelheir import checks
from modelheir.losses.labels.cross_entropy import cross_entropy
from modelheir.losses.logits.standardized import standardized
from modelheir.losses.logits.teacher_cross_entropy import teacher_cross_entropy

__all__ = ["spherical"]


def spherical(
    new: Tensor, old: Tensor, labels: Tensor, *, alpha: float = 0.9, multiplier: float = 2.0, temperature: float = 1.0
) -> Tensor:
    """Measure the surprise of old probabilities and label, on logits of one size.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.
        labels: int64 ``(N,)``; an image with label -1 (unlabelled) has only the old model's part.
        alpha: Share of the old model's part, 0 to 1; the rest is the label's.
        multiplier: Standard deviation of both logits, ``> 0``.
        temperature: Divisor ``T`` of both logits in the old model's part, ``> 0``.

    Returns:
        One value an image in nats (the old model's part times ``T**2``), ``>= 0``, shape ``(N,)``; not reduced.

    Raises:
        ValueError: If the shapes do not fit or a setting is out of range.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[5.0, 5.0]])
        >>> spherical(logits, logits, torch.tensor([-1]))  # 0.9 log(2)
        tensor([0.6238])
    """
    checks.logits_and_labels(new, labels)
    checks.same_shape(new=new, old=old)
    checks.in_range(0, 1, alpha=alpha)
    checks.above(0, multiplier=multiplier)
    new, old = multiplier * standardized(new), multiplier * standardized(old.detach())
    imitated = teacher_cross_entropy(new, old, temperature=temperature)
    return alpha * imitated + (1 - alpha) * cross_entropy(new, labels)
