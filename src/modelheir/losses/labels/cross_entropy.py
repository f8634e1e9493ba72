r"""Cross-entropy of each image against its label, with label smoothing.

.. math:: \ell_n = -(1 - \varepsilon) \log p_{n y_n} - \tfrac{\varepsilon}{C} \sum_c \log p_{nc},
          \quad p = \mathrm{softmax}(z)

Smoothing: Szegedy et al., 2016, arXiv:1512.00567, section 7. Without it, and weighted by where the old model was
right, this is the naive baseline of Yan et al., "Positive-Congruent Training", 2021, arXiv:2011.09161, eq. 6.
"""

from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["cross_entropy"]


def cross_entropy(logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Measure the surprise of each image's label.

    Args:
        logits: Shape ``(N, C)``.
        labels: int64 ``(N,)``, 0 to ``C - 1``; an image with label -1 (unlabelled) gets 0.
        label_smoothing: Share of the target spread evenly over all classes, 0 to 1.

    Returns:
        One value an image in nats, ``>= 0``, shape ``(N,)``; not reduced; lower is better.

    Raises:
        ValueError: If the shapes do not fit or the smoothing is out of range.

    Example:
        >>> import torch
        >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.3863])
    """
    checks.logits_and_labels(logits, labels)
    checks.in_range(0, 1, label_smoothing=label_smoothing)
    logits = full_precision(logits)
    return functional.cross_entropy(logits, labels, ignore_index=-1, reduction="none", label_smoothing=label_smoothing)
