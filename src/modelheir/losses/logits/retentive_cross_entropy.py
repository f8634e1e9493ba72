r"""Retentive cross-entropy: the new label logit must win against the old model's other logits.

.. math:: \ell_n = -z_{ny} + \log\Big(e^{z_{ny}} + \sum_{c \ne y} e^{z^{old}_{nc}}\Big)

``two_heads`` adds the mirrored term, in which the old label logit stands against the new model's other logits.
A loss of the earlier public code of positive-congruent training; no paper of its own is known.
"""

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.labels.cross_entropy import cross_entropy
from modelheir.losses.precision import full_precision

__all__ = ["retentive_cross_entropy"]


def retentive_cross_entropy(new: Tensor, old: Tensor, labels: Tensor, *, two_heads: bool = False) -> Tensor:
    """Measure the surprise of the label among logits of both models.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.
        labels: int64 ``(N,)``, 0 to ``C - 1``; an image with label -1 (unlabelled) gets 0.
        two_heads: Add the mirrored term, which lowers the new model's other logits.

    Returns:
        One value an image in nats, ``>= 0``, shape ``(N,)``; not reduced; lower is better.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> new, old = torch.tensor([[3.0, 9.0, 9.0]]), torch.tensor([[0.0, 1.0, 2.0]])
        >>> retentive_cross_entropy(new, old, torch.tensor([0]))
        tensor([0.4076])
    """
    checks.logits_and_labels(new, labels)
    checks.same_shape(new=new, old=old)
    new, old = full_precision(new), full_precision(old.detach())
    is_label = labels[:, None] == torch.arange(new.shape[1], device=labels.device)
    values = cross_entropy(torch.where(is_label, new, old), labels)
    if two_heads:
        values = values + cross_entropy(torch.where(is_label, old, new), labels)
    return values
