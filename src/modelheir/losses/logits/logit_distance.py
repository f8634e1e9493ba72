r"""Logit distance: the mean difference of two outputs, absolute, squared, or squared near zero and absolute beyond.

.. math:: \ell_n = \tfrac{1}{C} \sum_c d(a(z_{nc}) - a(z^{old}_{nc})), \quad
          d(x) = |x|,\ x^2,\ \text{or}\ \tfrac{1}{2} x^2 \text{ where } |x| < 1,\ |x| - \tfrac{1}{2} \text{ beyond}

of logits, or of what softmax or sigmoid make of them. Ba and Caruana, "Do Deep Nets Really Need to be Deep?", 2014,
arXiv:1312.6184, is the squared distance of logits, which is :func:`logit_matching` too.
"""

from typing import Literal

from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["logit_distance"]

Distance = Literal["l1", "l2", "smooth_l1"]
Act = Literal["softmax", "sigmoid", "none"]


def logit_distance(new: Tensor, old: Tensor, *, distance: Distance = "l2", act: Act = "none") -> Tensor:
    """Measure the mean difference over each image's classes.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.
        distance: ``"l1"`` absolute, ``"l2"`` squared, ``"smooth_l1"`` half the square up to 1 and straight beyond.
        act: What the logits go through first: ``"softmax"``, ``"sigmoid"`` or ``"none"``.

    Returns:
        One value an image, ``>= 0``, shape ``(N,)``, in logits or probabilities, with ``"l2"`` squared; not reduced.

    Raises:
        ValueError: If the shapes differ or a word is unknown.

    Example:
        >>> import torch
        >>> logit_distance(torch.tensor([[3.0, 0.5]]), torch.zeros(1, 2), distance="smooth_l1")  # (2.5 + 0.125) / 2
        tensor([1.3125])
    """
    checks.two_dimensional(new=new, old=old)
    checks.same_shape(new=new, old=old)
    checks.one_of(("l1", "l2", "smooth_l1"), distance=distance)
    checks.one_of(("softmax", "sigmoid", "none"), act=act)
    new, old = full_precision(new), full_precision(old.detach())
    if act == "softmax":
        new, old = new.softmax(dim=1), old.softmax(dim=1)
    elif act == "sigmoid":
        new, old = new.sigmoid(), old.sigmoid()
    if distance == "smooth_l1":
        return functional.smooth_l1_loss(new, old, reduction="none").mean(dim=1)
    gap = new - old
    return (gap.abs() if distance == "l1" else gap.square()).mean(dim=1)
