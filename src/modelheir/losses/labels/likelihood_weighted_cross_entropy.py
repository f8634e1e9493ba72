r"""Cross-entropy that trusts an image less the likelier it is to flip.

.. math:: \ell_n = \frac{N w_n}{\sum_m w_m} \big(-\log p_{n y_n}\big), \quad w_n = \frac{1}{s L_n + b}

``L`` is a value an image from a file, for example how often independent runs disagree on it. The mean over the batch
is the weighted mean of the cross-entropy.
"""

from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.labels.cross_entropy import cross_entropy
from modelheir.losses.means import mean_one

__all__ = ["likelihood_weighted_cross_entropy"]


def likelihood_weighted_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    likelihood: Tensor,
    *,
    base: float = 1.0,
    scale: float = 1.0,
    label_smoothing: float = 0.0,
    gather: Gather | None = None,
) -> Tensor:
    """Measure the weighted surprise of each image's label; the weights have mean 1 over the batch.

    Args:
        logits: Shape ``(N, C)``.
        labels: int64 ``(N,)``; an image with label -1 (unlabelled) gets 0 and has no part in the weights.
        likelihood: Likelihood ``L`` of a flip, ``>= 0``, shape ``(N,)``; treated as a constant.
        base: ``b``, ``> 0``; the larger, the less ``likelihood`` matters.
        scale: ``s``, ``>= 0``; 0 gives plain cross-entropy.
        label_smoothing: As in :func:`cross_entropy`, 0 to 1.
        gather: As :func:`all_gather`, where the weights shall have mean 1 over the batch of all processes.

    Returns:
        One value an image in nats, shape ``(N,)``; not reduced: take the mean.

    Raises:
        ValueError: If the shapes do not fit or a setting is out of range.

    Example:
        >>> import torch
        >>> logits, labels = torch.zeros(2, 4), torch.tensor([0, 1])
        >>> likelihood_weighted_cross_entropy(logits, labels, torch.tensor([0.0, 1.0]))
        tensor([1.8484, 0.9242])
    """
    checks.same_shape(labels=labels, likelihood=likelihood)
    checks.above(0, base=base)
    checks.at_least(0, scale=scale)
    values = cross_entropy(logits, labels, label_smoothing=label_smoothing)
    weights = (labels >= 0) / (scale * likelihood.detach().to(values.dtype) + base)
    return values * mean_one(weights, gather=gather)
