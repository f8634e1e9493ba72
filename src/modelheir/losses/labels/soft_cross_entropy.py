r"""Cross-entropy of each image against a target distribution, as Mixup and CutMix make it.

.. math:: \ell_n = -\sum_c \big((1 - \varepsilon)\, t_{nc} + \tfrac{\varepsilon}{C}\big) \log p_{nc},
          \quad p = \mathrm{softmax}(z)

Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, arXiv:1710.09412, with the smoothing of
:func:`cross_entropy`; a one-hot target gives the same value as its label there.
"""

from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["soft_cross_entropy"]


def soft_cross_entropy(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Measure the surprise of each image's target distribution.

    Args:
        logits: Shape ``(N, C)``.
        targets: Probabilities, rows that add up to 1, shape ``(N, C)``; treated as constants.
        label_smoothing: Share of the target spread evenly over all classes, 0 to 1.

    Returns:
        One value an image in nats, ``>= 0``, shape ``(N,)``; not reduced; lower is better.

    Raises:
        ValueError: If the shapes differ or the smoothing is out of range.

    Example:
        >>> import torch
        >>> soft_cross_entropy(torch.zeros(1, 4), torch.tensor([[0.5, 0.5, 0.0, 0.0]]))
        tensor([1.3863])
    """
    checks.two_dimensional(logits=logits, targets=targets)
    checks.same_shape(logits=logits, targets=targets)
    checks.in_range(0, 1, label_smoothing=label_smoothing)
    logits = full_precision(logits)
    targets = targets.detach().to(logits.dtype)
    targets = (1 - label_smoothing) * targets + label_smoothing / logits.shape[1]
    return -(targets * functional.log_softmax(logits, dim=1)).sum(dim=1)
