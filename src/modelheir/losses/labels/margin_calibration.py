r"""Margin calibration: in training, a bonus on new classes' logits, so that old classes keep a margin over them.

.. math:: \tilde z_{nc} = z_{nc} + b \cdot 1[c \text{ is new}]

Ricci et al., "Mitigating Negative Flips via Margin Preserving Training", 2025, arXiv:2511.08322. The supervised loss
reads the calibrated logits; distillation and evaluation read the plain ones, in which new classes come out lower.
"""

from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["margin_calibration"]


def margin_calibration(logits: Tensor, is_new: Tensor, *, bias: float = 1.0) -> Tensor:
    """Add ``bias`` to the logits of new classes.

    Args:
        logits: Logits of the model in training, shape ``(N, C)``.
        is_new: Bool ``(C,)``: true for classes the old model does not know.
        bias: ``b``, in logits, ``>= 0``; the paper tries 0, 1, 2 and 4.

    Returns:
        Logits for the supervised loss, shape ``(N, C)``.

    Raises:
        ValueError: If the shapes do not fit or the bias is negative.

    Example:
        >>> import torch
        >>> margin_calibration(torch.tensor([[1.0, 1.0]]), torch.tensor([False, True]), bias=2.0)
        tensor([[1., 3.]])
    """
    checks.two_dimensional(logits=logits)
    checks.at_least(0, bias=bias)
    if tuple(is_new.shape) != (logits.shape[1],):
        raise ValueError(f"is_new must have shape ({logits.shape[1]},), one a class, got {tuple(is_new.shape)}")
    return full_precision(logits) + bias * is_new
