r"""Multi-label cross-entropy: a yes-or-no question a class, where an image has any number of labels, or unknown ones.

.. math:: \ell_n = -\tfrac{1}{C} \sum_c w_{nc} \big(t_{nc} \log \sigma(z_{nc}) + (1 - t_{nc}) \log \sigma(-z_{nc})\big),
          \quad w_{nc} = e^{1 - r_c} \text{ if } y_{nc} = 1,\ e^{r_c} \text{ if } 0,\ 0 \text{ if unknown}

with ``t = (1 - epsilon) y + epsilon / C`` and ``r`` the share of images that have the class: the rarer answer weighs
more. Li et al., "Multi-attribute Learning for Pedestrian Attribute Recognition", 2015, doi:10.1109/ACPR.2015.7486476.
Sigmoid is the activation that goes with it, also in :func:`jeffreys`, whose terms the same weights fit.

Departures from SSLD's toolbox: an unknown entry is left out with and without weights, and before smoothing, which
hides it there. The divisor is ``C`` in any case.
"""

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["multi_label", "positive_ratio_weights"]


def multi_label(
    logits: Tensor,
    labels: Tensor,
    *,
    positive_ratio: Tensor | None = None,
    sum_over_classes: bool = False,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Measure the surprise over each image's yes-or-no questions.

    Args:
        logits: Shape ``(N, C)``; each is the log-odds of its class.
        labels: 1 where the image has the class, 0 where not, -1 where that is unknown, shape ``(N, C)``.
        positive_ratio: Share of images that have each class, 0 to 1, shape ``(C,)``; ``None`` weighs all by 1.
        sum_over_classes: Take the sum over classes in place of the mean.
        label_smoothing: ``epsilon``, 0 to 1.

    Returns:
        One value an image in nats, ``>= 0``, shape ``(N,)``; not reduced; lower is better.

    Raises:
        ValueError: If the shapes do not fit or the smoothing is out of range.

    Example:
        >>> multi_label(torch.zeros(1, 4), torch.tensor([[1, 0, 0, -1]]))  # three quarters of log(2)
        tensor([0.5199])
    """
    checks.two_dimensional(logits=logits, labels=labels)
    checks.same_shape(logits=logits, labels=labels)
    checks.in_range(0, 1, label_smoothing=label_smoothing)
    logits, labels = full_precision(logits), labels.detach()
    classes = logits.shape[1]
    target = (1 - label_smoothing) * labels.clamp_min(0).to(logits.dtype) + label_smoothing / classes
    values = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    values = values * ((labels >= 0) if positive_ratio is None else positive_ratio_weights(labels, positive_ratio))
    return values.sum(dim=1) if sum_over_classes else values.sum(dim=1) / classes


def positive_ratio_weights(labels: Tensor, positive_ratio: Tensor) -> Tensor:
    """Weigh each entry by how rare its answer is.

    Args:
        labels: 1, 0, or -1 for unknown, shape ``(N, C)``; above 0.5 counts as 1.
        positive_ratio: Share ``r`` of images that have each class, 0 to 1, shape ``(C,)``.

    Returns:
        ``exp(1 - r)`` for a 1, ``exp(r)`` for a 0, 0 for unknown; shape ``(N, C)``.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> positive_ratio_weights(torch.tensor([[1, 0, -1]]), torch.tensor([0.1, 0.1, 0.1]))  # exp(0.9), exp(0.1)
        tensor([[2.4596, 1.1052, 0.0000]])
    """
    checks.two_dimensional(labels=labels)
    if tuple(positive_ratio.shape) != (labels.shape[1],):
        raise ValueError(
            f"positive_ratio must have shape ({labels.shape[1]},), one a class, got {tuple(positive_ratio.shape)}"
        )
    ratio = full_precision(positive_ratio.detach())
    return torch.where(labels > 0.5, 1 - ratio, ratio).exp() * (labels >= 0)
