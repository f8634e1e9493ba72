r"""Decoupled knowledge distillation (DKD): the target class and the other classes are taught apart.

.. math:: \ell_n = \alpha T^2\, \mathrm{KL}(b^{old}_n \| b_n) + \beta T^2\, \mathrm{KL}(r^{old}_n \| r_n)

with ``b`` the two probabilities "target" and "not the target" and ``r`` the probabilities among the other classes,
both at temperature ``T``. Zhao et al., 2022, arXiv:2203.08679, eq. 7. Plain KL is the same sum with ``1 - b`` of the
old model in place of ``beta``, so that what a certain teacher says of the other classes is nearly lost there.

Departures: both parts are :func:`kl_distillation`, on logits from which the target is taken out, where others
subtract 1000 from it and take logarithms of probabilities. With two classes there is one other class and nothing to
say of it: the second part is exactly 0. An unlabelled image is taught about the old model's answer.
"""

from typing import Literal

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.logits.kl_distillation import kl_distillation
from modelheir.losses.logits.target_class import target_class
from modelheir.losses.precision import full_precision

__all__ = ["decoupled"]

Target = Literal["label", "teacher"]


def decoupled(
    new: Tensor,
    old: Tensor,
    labels: Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    temperature: float = 1.0,
    target: Target = "label",
) -> Tensor:
    """Measure the two divergences of each image, weighted.

    Args:
        new: Logits of the model in training, finite, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, finite, shape ``(N, C)``.
        labels: int64 ``(N,)``; -1 is unlabelled. Not read where ``target`` is ``"teacher"``.
        alpha: Weight, ``>= 0``, of the divergence between target and the rest.
        beta: Weight, ``>= 0``, of the divergence among the other classes.
        temperature: Divisor ``T`` of both logits, ``> 0``.
        target: The class set apart: the ``"label"``, or always the old model's answer (``"teacher"``).

    Returns:
        One value an image in nats (times ``T**2``), ``>= 0``, shape ``(N,)``; not reduced; lower is closer.

    Raises:
        ValueError: If the shapes do not fit or a setting is out of range.

    Example:
        >>> new, old = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.2, 0.8]]).log()
        >>> decoupled(new, old, torch.tensor([0]))  # two classes: all of 0.2 log(0.4) + 0.8 log(1.6)
        tensor([0.1927])
    """
    checks.logits_and_labels(new, labels)
    checks.same_shape(new=new, old=old)
    checks.at_least(0, alpha=alpha, beta=beta)
    checks.above(0, temperature=temperature)
    checks.one_of(("label", "teacher"), target=target)
    asked = target_class(old, labels if target == "label" else torch.full_like(labels, -1))
    new, old = full_precision(new), full_precision(old.detach())
    if new.shape[1] == 1:
        return (new * 0).sum(dim=1)

    among = torch.arange(new.shape[1] - 1, device=new.device)
    others = among + (among >= asked[:, None])
    (new_pair, new_others), (old_pair, old_others) = (_apart(z, asked, others, temperature) for z in (new, old))
    target_part = kl_distillation(new_pair, old_pair, temperature=1.0)
    others_part = kl_distillation(new_others, old_others, temperature=1.0)
    return (alpha * target_part + beta * others_part) * temperature**2


def _apart(logits: Tensor, asked: Tensor, others: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the logits of target and rest, ``(N, 2)``, and those of the other classes, ``(N, C - 1)``."""
    logits = logits / temperature
    rest = logits.gather(1, others)
    return torch.cat([logits.gather(1, asked[:, None]), torch.logsumexp(rest, dim=1, keepdim=True)], dim=1), rest
