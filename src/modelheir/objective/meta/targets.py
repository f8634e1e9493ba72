r"""What a pool of teachers says, and what a student is taught of it: a drawn label, the likeliest, or probabilities.

A student of view ``v`` is taught by the mean of the other views' logits, the normalised geometric mean of their
probabilities:

.. math:: S_v = \frac{1}{V - 1} \sum_{w \ne v} z_w, \qquad \text{labels from } \mathrm{softmax}(S_v / T)

For two views it is the other view. Rothenberger and Diochnos, "Meta Co-Training", 2023, arXiv:2311.18083. Ours draws a
batch's labels in one call on the device; the earlier program drew them one by one on the host.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from modelheir import checks
from modelheir.checks import OneOf
from modelheir.losses import cross_entropy, soft_cross_entropy

__all__ = ["Taught", "make_targets", "others", "taught_loss"]

_KINDS = OneOf("sampled", "argmax", "soft", "sharpened")


class Taught(NamedTuple):
    """What each of ``V`` students is taught of ``B`` samples; no gradient."""

    targets: Tensor  #: int64 ``(V, B)``, or probabilities ``(V, B, C)``
    kept: Tensor  #: bool ``(V, B)``: samples that are taught


def others(logits: Tensor) -> Tensor:
    """Return for each view the mean of the other views' logits.

    Args:
        logits: ``(V, B, C)`` of at least two views; gradients flow.

    Raises:
        ValueError: If there is one view.

    Example:
        >>> others(torch.tensor([[[3.0, 0.0]], [[1.0, 1.0]], [[0.0, 2.0]]]))[0]
        tensor([[0.5000, 1.5000]])
    """
    checks.at_least(2, views=len(logits))
    return (logits.sum(dim=0) - logits) / (len(logits) - 1)


@torch.no_grad()
def make_targets(
    logits: Tensor, *, kind: str, temperature: float = 1.0, confidence: float = 0.0, generator: torch.Generator
) -> Taught:
    """Say what students are taught.

    Args:
        logits: Of each student's teachers, ``(V, B, C)``.
        kind: ``sampled``, ``argmax``, ``soft`` or ``sharpened``.
        temperature: Divisor of the logits, of ``sharpened`` alone, ``> 0``.
        confidence: Lowest probability of the likeliest class, before the temperature, of a sample that is taught, 0 to
            1.
        generator: On the device of the logits; only ``sampled`` draws.

    Raises:
        ValueError: If a setting is out of range.

    Example:
        >>> make_targets(torch.tensor([[[2.0, 0.0]]]), kind="argmax", confidence=0.9, generator=torch.Generator())
        Taught(targets=tensor([[0]]), kept=tensor([[False]]))
    """
    checks.above(0, temperature=temperature)
    checks.in_range(0, 1, confidence=confidence)
    probabilities = logits.softmax(dim=-1)
    most, likeliest = probabilities.max(dim=-1)
    kept = most >= confidence
    match kind:
        case "sampled":
            rows = probabilities.reshape(-1, logits.shape[-1])
            return Taught(torch.multinomial(rows, 1, generator=generator).view(logits.shape[:-1]), kept)
        case "argmax":
            return Taught(likeliest, kept)
        case "soft":
            return Taught(probabilities, kept)
        case "sharpened":
            return Taught((logits / temperature).softmax(dim=-1), kept)
    raise ValueError(f"kind must be {_KINDS}, got {kind!r}")


def taught_loss(logits: Tensor, targets: Tensor, kept: Tensor) -> Tensor:
    """Return the cross-entropy of one student to what it is taught, 0 for samples that are not.

    Args:
        logits: ``(B, C)``.
        targets: int64 ``(B,)``, or probabilities ``(B, C)``; constants.
        kept: bool ``(B,)``.

    Returns:
        ``(B,)``, in nats; its mean is over all samples, taught or not.
    """
    values = cross_entropy(logits, targets) if targets.ndim == 1 else soft_cross_entropy(logits, targets)
    return values.masked_fill(~kept, 0)
