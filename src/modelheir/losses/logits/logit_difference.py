r"""Logit difference inhibition (LDI): a penalty on leaving the old model's logits by more than a margin.

.. math:: \ell_n = \tfrac{1}{|K_n|} \sum_{c \in K_n,\, c \ne y_n} \max(|z_{nc} - z^{old}_{nc}| - m,\, 0)^p

Zhao et al., "ELODI: Ensemble Logit Difference Inhibition", 2022, arXiv:2205.06265.
Choices where sources differ: the margin applies to each class, before the power. With ``exclude_label`` the divisor
stays ``|K_n|``. ``K_n`` is chosen among the other classes then, and a ``top_k`` of ``C`` equals no ``top_k``.
A relative margin divides by the largest ``|old|`` of the row, which cannot be negative; the largest ``old`` can, and
would flip the sign. The penalty is exactly zero inside the margin, with a zero gradient, also under the ``p``-norm.
All options combine; the label's own fall below the old logit counts only where ``label_weight`` is positive.
"""

from typing import Literal

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["logit_difference"]

RankBy = Literal["new", "old"]


def logit_difference(
    new: Tensor,
    old: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.5,
    power: float = 2.0,
    top_k: int = 0,
    rank_by: RankBy = "new",
    exclude_label: bool = True,
    one_sided: bool = False,
    label_weight: float = 0.0,
    relative: bool = False,
    p_norm: bool = False,
) -> Tensor:
    """Measure how far each image's new logits leave a band around its old ones.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model or of the ensemble mean, shape ``(N, C)``.
        labels: int64 ``(N,)``; a label outside the classes (-1, unlabelled) excludes and adds nothing.
        margin: Free difference ``m``, ``>= 0``, in logits; with ``relative`` a share of the largest ``|old|``.
        power: Exponent ``p``, ``>= 1``.
        top_k: Classes counted, those ranked highest, 1 to ``C``; 0 counts all.
        rank_by: The logits that rank the classes for ``top_k``: of the ``"new"`` or of the ``"old"`` model.
        exclude_label: Leave the label's logit free to change.
        one_sided: Penalise only logits that rise above the old ones.
        label_weight: Weight, ``>= 0``, of a further penalty on a label's logit that falls below the old one.
        relative: Divide differences by the row's largest ``|old|``; a row of zeros is left as it is.
        p_norm: Return the ``p``-norm over the classes in place of the mean of ``p``-th powers.

    Returns:
        One value an image, ``>= 0``, shape ``(N,)``; logits to the ``power`` (with ``p_norm``: logits); not reduced.

    Raises:
        ValueError: If shapes do not fit or a setting is out of range.

    Example:
        >>> new, old = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([[1.2, 0.3, -1.1]])
        >>> logit_difference(new, old, torch.tensor([1]), margin=0.5)
        tensor([0.0300])
    """
    checks.logits_and_labels(new, labels)
    checks.same_shape(new=new, old=old)
    checks.at_least(0, margin=margin, label_weight=label_weight)
    checks.at_least(1, power=power)
    checks.one_of(("new", "old"), rank_by=rank_by)
    new, old = full_precision(new), full_precision(old.detach())
    classes = new.shape[1]
    is_label = labels[:, None] == torch.arange(classes, device=labels.device)

    gap = new - old
    if relative:
        largest = old.abs().amax(dim=1, keepdim=True)
        gap = gap / torch.where(largest > 0, largest, torch.ones_like(largest))
    size = gap if one_sided else gap.abs()
    excess = (size - margin).clamp_min(0)
    if exclude_label:
        excess = excess.masked_fill(is_label, 0)
    fall = (-gap - margin).clamp_min(0).masked_fill(~is_label, 0)

    counted = classes
    if top_k:
        checks.in_range(1, classes, top_k=top_k)
        ranking = (new if rank_by == "new" else old).detach()
        if exclude_label:
            ranking = ranking.masked_fill(is_label, -torch.inf)
        excess = excess.gather(1, ranking.topk(top_k, dim=1).indices)
        counted = top_k
    if p_norm:
        columns = [excess, fall * label_weight ** (1 / power)] if label_weight > 0 else [excess]
        return torch.linalg.vector_norm(torch.cat(columns, dim=1), ord=power, dim=1)
    penalty = excess.pow(power).sum(dim=1)
    if label_weight > 0:
        penalty = penalty + label_weight * fall.pow(power).sum(dim=1)
    return penalty / counted
