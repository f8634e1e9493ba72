r"""Dissonance: three charges for new errors, each added to the plain loss with a weight.

.. math:: \text{new error: } 1[old = y]\,\mathrm{CE}(z, y), \quad
          \text{imitation: } \mathrm{CE}(z, p), \quad
          \text{strict imitation: } 1[old = y]\,\mathrm{CE}(z, p), \quad p = \mathrm{softmax}(z^{old})

Bansal et al., "Updates in Human-AI Teams", 2019, and Srivastava et al., "An Empirical Analysis of Backward
Compatibility in Machine Learning Systems", 2020, arXiv:2008.04572. The new-error charge is the naive baseline of Yan
et al., 2021, arXiv:2011.09161, eq. 6. Ours imitates the old probabilities, not only the old answer.
"""

from torch import Tensor

from modelheir import checks
from modelheir.losses.labels.cross_entropy import cross_entropy
from modelheir.losses.logits.teacher_cross_entropy import teacher_cross_entropy
from modelheir.losses.right import is_right

__all__ = ["imitation", "new_error", "strict_imitation"]


def new_error(new: Tensor, old: Tensor, labels: Tensor) -> Tensor:
    """Charge the label's surprise where the old model is right.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.
        labels: int64 ``(N,)``; an image with label -1 (unlabelled) gets 0.

    Returns:
        One value an image in nats, ``>= 0``, shape ``(N,)``; not reduced.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import torch
        >>> old = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> new_error(torch.zeros(2, 2), old, torch.tensor([0, 0]))
        tensor([0.6931, 0.0000])
    """
    checks.same_shape(new=new, old=old)
    return cross_entropy(new, labels) * is_right(old, labels)


def imitation(new: Tensor, old: Tensor) -> Tensor:
    """Charge the surprise of the old model's probabilities on every image.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.

    Returns:
        One value an image in nats, at least the entropy of ``old``, shape ``(N,)``; not reduced.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> imitation(torch.zeros(1, 2), torch.tensor([[3.0, 0.0]]))
        tensor([0.6931])
    """
    return teacher_cross_entropy(new, old)


def strict_imitation(new: Tensor, old: Tensor, labels: Tensor) -> Tensor:
    """Charge :func:`imitation` where the old model is right.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.
        labels: int64 ``(N,)``; an image with label -1 (unlabelled) gets 0.

    Returns:
        One value an image in nats, ``>= 0``, shape ``(N,)``; not reduced.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import torch
        >>> old = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> strict_imitation(torch.zeros(2, 2), old, torch.tensor([0, 0]))
        tensor([0.6931, 0.0000])
    """
    return imitation(new, old) * is_right(old, labels)
