r"""The SSLD loss: half the Jeffreys divergence, which its documents call JS divergence.

.. math:: \ell_n = \tfrac{1}{2} \big[ \mathrm{KL}(p_n \| q_n) + \mathrm{KL}(q_n \| p_n) \big]
          = \tfrac{1}{2} \sum_c (p_{nc} - q_{nc}) (\log p_{nc} - \log q_{nc})

with ``p`` of the old model and ``q`` of the new one. Jeffreys, 1946, doi:10.1098/rspa.1946.0056; as a loss in Cui et
al., 2021, "Beyond Self-Supervision", arXiv:2103.05959, and between two students in Zhang et al., 2018,
arXiv:1706.00384. It has no upper bound and is no Jensen-Shannon divergence: see :func:`jensen_shannon`. For small
gaps both KL and four times the Jensen-Shannon divergence tend to it.

Departures: softmax and sigmoid are taken in log space, without the ``1e-12`` that SSLD adds to probabilities; it is
kept for ``act="none"``. With ``sigmoid`` the sum is the same, over yes-or-no questions, and one-sided as in SSLD: the
``(1 - p)`` halves are not added. Sigmoid is the activation for images with several labels; SSLD's own multi-label
recipes take softmax.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["jeffreys"]

Act = Literal["softmax", "sigmoid", "none"]


def jeffreys(
    new: Tensor,
    old: Tensor,
    *,
    act: Act = "softmax",
    sum_over_classes: bool = False,
    weights: Tensor | None = None,
    both: bool = False,
) -> Tensor:
    """Measure half the Jeffreys divergence of each image.

    Args:
        new: Logits of the model in training, shape ``(N, C)``; with ``act="none"`` probabilities.
        old: The same of the frozen model. Gradients flow here only with ``both``.
        act: What turns logits into probabilities: ``"softmax"``, ``"sigmoid"`` (one-sided), ``"none"``.
        sum_over_classes: Multiply by ``C``, as SSLD's ``sum_across_class_dim`` does.
        weights: Factor of each class's term, ``>= 0``, shape ``(N, C)``, as of :func:`positive_ratio_weights`.
        both: Let gradients flow into ``old`` too, for mutual learning.

    Returns:
        One value an image in nats (times ``C``), ``>= 0``, shape ``(N,)``; not reduced; lower is closer.

    Raises:
        ValueError: If the shapes differ or the activation is unknown.

    Example:
        >>> jeffreys(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.2, 0.8]]).log())  # 0.3 log(4) / 2
        tensor([0.2079])
    """
    checks.two_dimensional(new=new, old=old)
    checks.same_shape(new=new, old=old)
    checks.one_of(("softmax", "sigmoid", "none"), act=act)
    q, log_q = _probabilities(full_precision(new), act)
    p, log_p = _probabilities(full_precision(old if both else old.detach()), act)
    terms = (p - q) * (log_p - log_q) / 2
    if weights is not None:
        checks.same_shape(new=new, weights=weights)
        terms = terms * weights
    value = terms.sum(dim=1)
    return value * new.shape[1] if sum_over_classes else value


def _probabilities(values: Tensor, act: Act) -> tuple[Tensor, Tensor]:
    if act == "none":
        return values, torch.log(values + 1e-12)
    logs = functional.log_softmax(values, dim=1) if act == "softmax" else functional.logsigmoid(values)
    return logs.exp(), logs
