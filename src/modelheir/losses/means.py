"""Means over the images that count, of one process or of all: of losses, and of weights that are to have mean 1."""

from __future__ import annotations

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather

__all__ = ["masked_mean", "mean_one"]


def masked_mean(values: Tensor, mask: Tensor, *, gather: Gather | None = None) -> Tensor:
    """Average the values whose mask is set; 0, with a gradient of 0, where none is.

    Args:
        values: Shape ``(N,)``; ``N`` may be 0.
        mask: Bool ``(N,)``.
        gather: As :func:`all_gather`: count over all processes, so that the mean of the processes' results is the
            mean over all images; ``None`` counts this process's.

    Returns:
        A scalar in the values' unit, connected to their gradient in every case.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> masked_mean(torch.tensor([1.0, 5.0]), torch.tensor([True, False]))
        tensor(1.)
    """
    checks.same_shape(values=values, mask=mask)
    count = mask.sum().to(values.dtype)
    if gather is not None:
        counts = gather(count[None])
        return values.masked_fill(~mask, 0).sum() * counts.shape[0] / counts.sum().clamp_min(1)
    return values.masked_fill(~mask, 0).sum() / count.clamp_min(1)


def mean_one(weights: Tensor, *, mask: Tensor | None = None, gather: Gather | None = None) -> Tensor:
    """Scale weights to mean 1 over the batch, so that they move weight between images and add none.

    With ``mask``, bool ``(N,)``, the mean is that of the images whose mask is set, as :func:`masked_mean` counts them.
    With ``gather`` (as :func:`all_gather`) the batch is that of all processes. Weights that are all 0 stay 0.

    >>> mean_one(torch.tensor([6.0, 2.0, 9.0]), mask=torch.tensor([True, True, False]))
    tensor([1.5000, 0.5000, 2.2500])
    """
    counted = torch.ones_like(weights, dtype=torch.bool) if mask is None else mask
    checks.same_shape(weights=weights, mask=counted)
    whole, counted = (part if gather is None else gather(part) for part in (weights, counted.to(weights.dtype)))
    mean = (whole * counted).sum() / counted.sum().clamp_min(1)
    return weights / torch.where(mean > 0, mean, torch.ones_like(mean))
