"""The class that an image is asked for: its label, or the old model's answer where it has none."""

import torch
from torch import Tensor

from modelheir import checks

__all__ = ["target_class"]


def target_class(old: Tensor, labels: Tensor) -> Tensor:
    """Fill unlabelled images in with the old model's largest logit.

    Args:
        old: Logits of the frozen model, shape ``(N, C)``.
        labels: int64 ``(N,)``; -1 is unlabelled.

    Returns:
        int64 ``(N,)``, 0 to ``C - 1``.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> target_class(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([1, -1]))
        tensor([1, 0])
    """
    checks.logits_and_labels(old, labels)
    return torch.where(labels >= 0, labels, old.detach().argmax(dim=1))
