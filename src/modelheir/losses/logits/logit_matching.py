r"""Logit matching: the squared distance of the new logits from the old ones.

.. math:: \ell_n = \tfrac{1}{C} \sum_c (z_{nc} - z^{old}_{nc})^2 \quad\text{or}\quad
          \ell_n = \tfrac{1}{2} \sum_c (z_{nc} - z^{old}_{nc})^2

The distance of FD-LM in Yan et al., "Positive-Congruent Training", 2021, arXiv:2011.09161, eq. 7, which halves the
sum ("half_sum"). The mean over classes is the default here because its size does not grow with ``C``: it is
``2 / C`` times the paper's value, so a weight tuned for one convention does not fit the other.
"""

from typing import Literal

from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["logit_matching"]

Reduction = Literal["mean", "half_sum"]


def logit_matching(new: Tensor, old: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Measure the squared difference of each image's logits.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.
        reduction: Over classes: ``"mean"``, or ``"half_sum"`` as in the paper.

    Returns:
        One value an image in squared logits, ``>= 0``, shape ``(N,)``; not reduced over images.

    Raises:
        ValueError: If the shapes differ or the reduction is unknown.

    Example:
        >>> import torch
        >>> logit_matching(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]]))
        tensor([2.])
    """
    checks.two_dimensional(new=new, old=old)
    checks.same_shape(new=new, old=old)
    checks.one_of(("mean", "half_sum"), reduction=reduction)
    square = (full_precision(new) - full_precision(old.detach())).square()
    return square.mean(dim=1) if reduction == "mean" else square.sum(dim=1) / 2
