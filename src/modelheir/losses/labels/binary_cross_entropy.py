r"""Binary cross-entropy: one yes-or-no question a class instead of one choice among classes.

.. math:: \ell_n = \tfrac{1}{C} \sum_c -t_{nc} \log \sigma(z_{nc}) - (1 - t_{nc}) \log(1 - \sigma(z_{nc}))

``t`` is the label as one-hot, for any number of classes, or a target matrix as Mixup makes it.
"""

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["binary_cross_entropy", "soft_binary_cross_entropy"]


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Measure the mean surprise over the classes' yes-or-no questions.

    Args:
        logits: Shape ``(N, C)``; each is the log-odds of its class.
        labels: int64 ``(N,)``, 0 to ``C - 1``; an image with label -1 (unlabelled) gets 0.

    Returns:
        One value an image in nats, ``>= 0``, shape ``(N,)``; not reduced; lower is better.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> binary_cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
        tensor([0.6931])
    """
    checks.logits_and_labels(logits, labels)
    one_hot = labels[:, None] == torch.arange(logits.shape[1], device=labels.device)
    return soft_binary_cross_entropy(logits, one_hot) * (labels >= 0)


def soft_binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Measure the same against a target a class.

    Args:
        logits: Shape ``(N, C)``.
        targets: Probability of each class, 0 to 1, rows of any sum, shape ``(N, C)``; treated as constants.

    Returns:
        One value an image in nats, ``>= 0``, shape ``(N,)``; not reduced; lower is better.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> soft_binary_cross_entropy(torch.zeros(1, 2), torch.tensor([[0.5, 0.5]]))
        tensor([0.6931])
    """
    checks.two_dimensional(logits=logits, targets=targets)
    checks.same_shape(logits=logits, targets=targets)
    logits = full_precision(logits)
    targets = targets.detach().to(logits.dtype)
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
