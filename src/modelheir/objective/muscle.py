r"""MUSCLE's mask: learn from the old model where the current one errs, else from the plainly trained new model.

.. math:: \ell_n = \begin{cases} T^2\,\mathrm{KL}(old \Vert z) & \arg\max z_n \ne y_n \\
          T^2\,\mathrm{KL}(plain \Vert z) & \text{else} \end{cases}

Echterhoff et al., "MUSCLE: A Model Update Strategy for Compatible LLM Evolution", 2024, arXiv:2407.09435.
There the mask is a token's and the models are adapters; here it is an image's and the models are classifiers.
"""

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.logits.kl_distillation import kl_distillation
from modelheir.losses.right import is_wrong

__all__ = ["muscle_distillation", "muscle_mask"]


def muscle_mask(new: Tensor, labels: Tensor) -> Tensor:
    """Tell where the model in training is wrong now, so that the old one teaches.

    Args:
        new: Logits of the model in training, shape ``(N, C)``; no gradient passes.
        labels: int64 ``(N,)``; an image with label -1 (unlabelled) is not known to be wrong.

    Returns:
        Bool ``(N,)``: true where the old model teaches, false where the plain new model does.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> muscle_mask(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]))
        tensor([False,  True])
    """
    return is_wrong(new, labels)


def muscle_distillation(
    new: Tensor,
    old: Tensor,
    plain: Tensor,
    labels: Tensor,
    *,
    temperature: float = 1.0,
    scale_by_square: bool = True,
) -> Tensor:
    """Measure KL from the teacher that :func:`muscle_mask` picks for each image.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen old model, shape ``(N, C)``.
        plain: Logits of the frozen new model trained without the old one, shape ``(N, C)``.
        labels: int64 ``(N,)``.
        temperature: As in :func:`kl_distillation`, ``> 0``.
        scale_by_square: As in :func:`kl_distillation`.

    Returns:
        One value an image in nats (times ``T**2``), ``>= 0``, shape ``(N,)``; not reduced.

    Raises:
        ValueError: If the shapes do not fit or the temperature is not positive.

    Example:
        >>> new = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
        >>> muscle_distillation(new, torch.zeros(2, 2), new, torch.tensor([0, 1]))
        tensor([0.0000, 0.4338])
    """
    checks.same_shape(new=new, old=old, plain=plain)
    teacher = torch.where(muscle_mask(new, labels)[:, None], old, plain)
    return kl_distillation(new, teacher, temperature=temperature, scale_by_square=scale_by_square)
