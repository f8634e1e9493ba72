r"""Batch normalisation over the batch of all processes, so that two processes with half a batch each equal one.

Each process sends, in one message, mean, sum of squared deviations and count of its part, a channel each; the whole is
``mean = sum(n_r mean_r) / N`` and ``var = sum(m_r + n_r (mean_r - mean)^2) / N`` (Chan, Golub and LeVeque 1979). The
gradient goes back through the message. torch's own ``SyncBatchNorm`` runs on GPUs alone and needs other modules; this
one takes the place of ``torch.nn.functional.batch_norm`` for a while, whatever module calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from modelheir.losses.gather import all_gather

__all__ = ["SynchronisedBatchNorm", "synchronised_batch_norm"]


class SynchronisedBatchNorm(TorchFunctionMode):
    """While this is entered, batch norms in training mode normalise over all processes.

    Every process must call the same ones in the same order.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        given: Mapping[str, Any] = kwargs or {}
        if func is F.batch_norm:
            names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
            told = {**dict(zip(names, args, strict=False)), **given}
            if told.pop("training", False):
                return synchronised_batch_norm(told.pop("input"), **told)
        return func(*args, **given)


def synchronised_batch_norm(
    inputs: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel by mean and variance over the parts of all processes; moves the running statistics.

    Args:
        inputs: ``(N, C)`` or ``(N, C, ...)``; ``C`` is the same on every process, the rest need not be.
        running_mean: ``(C,)``, moved by ``momentum`` in place; or none.
        running_var: ``(C,)``, of the unbiased variance; or none.
        weight: ``(C,)``, multiplies the result; or none.
        bias: ``(C,)``, added; or none.
        momentum: Share of this batch in the running statistics, 0 to 1.
        eps: Added to the variance.

    Returns:
        Of the shape and type of ``inputs``.

    Example:
        >>> synchronised_batch_norm(torch.tensor([[1.0], [3.0]]), eps=0.0)
        tensor([[-1.],
                [ 1.]])
    """
    x = inputs.float() if inputs.dtype in (torch.float16, torch.bfloat16) else inputs
    dims = [dim for dim in range(x.ndim) if dim != 1]
    shape = [-1 if dim == 1 else 1 for dim in range(x.ndim)]
    count = x.numel() // x.shape[1]
    own_mean = x.sum(dims) / max(count, 1)
    own_spread = (x - own_mean.view(shape)).square().sum(dims)
    message = torch.cat([own_mean, own_spread, x.new_full((1,), count)])
    parts = all_gather(message[None])
    means, spreads, counts = parts[:, : x.shape[1]], parts[:, x.shape[1] : -1], parts[:, -1:].detach()
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    var = (spreads + counts * (means - mean).square()).sum(0) / total
    with torch.no_grad():
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        if running_var is not None:
            running_var.lerp_((var * total / (total - 1).clamp(min=1)).to(running_var.dtype), momentum)
    scale = (var + eps).rsqrt() if weight is None else (var + eps).rsqrt() * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return (x * scale.view(shape) + shift.view(shape)).to(inputs.dtype)
