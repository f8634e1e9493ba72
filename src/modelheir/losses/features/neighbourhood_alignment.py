r"""Contrastive neighbourhood alignment (CNA): images close for the old model shall be close for the new one.

.. math:: \text{out: } \ell_i = \tfrac{1}{|P(i)|} \sum_{j \in P(i)} (\log Z_i - s_{ij}), \qquad
          \text{in: } \ell_i = \log Z_i - \log \sum_{j \in P(i)} e^{s_{ij}}

with cosine similarities ``s_ij`` of the new features over the temperature, ``Z_i`` the sum of ``exp(s_ij)`` over
``j != i``, and ``P(i)`` the ``k`` other images whose old features are most similar to those of ``i``.
Zhu et al., "Contrastive Neighborhood Alignment", 2022, arXiv:2201.01922.

The two orders agree at ``k = 1`` and "in" is never the larger. Supervised, ``P(i)`` are the nearest images *with the
same label*; without any, and for unlabelled images, the value is 0. An image is left out of its own sum before the
largest exponent is sought, so opposite features stay finite at any temperature.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.gather import Gather, first_row
from modelheir.losses.precision import full_precision

__all__ = ["neighbourhood_alignment"]

Order = Literal["out", "in"]


def neighbourhood_alignment(
    new: Tensor,
    old: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.05,
    top_k: int = 1,
    supervised: bool = False,
    order: Order = "out",
    gather: Gather | None = None,
) -> Tensor:
    """Measure how badly each image's new features keep its old neighbours.

    Args:
        new: Features of the model in training, shape ``(N, D)``. Gradients flow here only.
        old: Features of the frozen model, shape ``(N, D')``; the widths may differ.
        labels: int64 ``(N,)``; used only where ``supervised``, -1 is unlabelled.
        temperature: Divisor of the cosine similarities, ``> 0``.
        top_k: Neighbours of an image, ``>= 1``; all other images where there are fewer.
        supervised: Take neighbours only from images with the same label.
        order: Whether the sum over neighbours stands outside (``"out"``) or inside (``"in"``) of the logarithm.
        gather: Concatenates a tensor over all processes with gradient, as :func:`all_gather`, where neighbours
            shall be sought in the whole batch; ``None`` seeks in this process's images.

    Returns:
        One value an image of this process in nats, ``>= 0``, shape ``(N,)``; not reduced; lower is closer.

    Raises:
        ValueError: If shapes do not fit, a setting is out of range, or there are fewer than two images.

    Example:
        >>> features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> neighbourhood_alignment(features, features, torch.tensor([0, 0, 1]), temperature=1.0)
        tensor([0.3133, 0.3133, 0.6931])
    """
    checks.two_dimensional(new=new, old=old)
    checks.same_length(new=new, old=old, labels=labels)
    checks.above(0, temperature=temperature)
    checks.at_least(1, top_k=top_k)
    checks.one_of(("out", "in"), order=order)
    with torch.autocast(new.device.type, enabled=False):
        new = functional.normalize(full_precision(new), dim=1)
        old = functional.normalize(full_precision(old.detach()), dim=1)
        all_new, all_old, all_labels = (gather(t) if gather else t for t in (new, old, labels))
        count = all_new.shape[0]
        if count < 2:
            raise checks.InputError("neighbourhood alignment needs at least two images in a batch: take larger batches")
        rows = torch.arange(new.shape[0], device=new.device) + (first_row(new.shape[0]) if gather else 0)
        itself = rows[:, None] == torch.arange(count, device=new.device)
        closeness = old @ all_old.T
        similarity = (new @ all_new.T / temperature).masked_fill(itself, -torch.inf)

    allowed = ~itself
    if supervised:
        allowed = allowed & (labels[:, None] == all_labels) & (labels[:, None] >= 0)
    nearest = closeness.masked_fill(~allowed, -torch.inf).topk(min(top_k, count - 1), dim=1).indices
    chosen = torch.zeros_like(allowed).scatter(1, nearest, True) & allowed
    found = chosen.any(dim=1)

    log_z = torch.logsumexp(similarity, dim=1)
    if order == "out":
        own = similarity.masked_fill(~chosen, 0).sum(dim=1) / chosen.sum(dim=1).clamp_min(1)
    else:  # a row without neighbours must not meet the logarithm of zero, not even in the gradient
        own = torch.logsumexp(similarity.masked_fill(~chosen & found[:, None], -torch.inf), dim=1)
    return (log_z - own).clamp_min(0) * found
