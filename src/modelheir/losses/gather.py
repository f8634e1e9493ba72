r"""All-gather with gradient: one batch out of every process's part.

Forward: the parts of all processes, in the order of their ranks. Backward: the gradients that all processes hold for
this process's part, added up. So where each process takes the mean loss of its own images against the whole batch,
and DistributedDataParallel averages parameter gradients, the result is the gradient of the mean loss of the whole
batch; the same holds where every process computes the whole batch's loss.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed

__all__ = ["Gather", "all_gather", "first_row"]

Gather = Callable[[Tensor], Tensor]  #: concatenates over processes, as :func:`all_gather`


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        parts = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, values.contiguous())
        ctx.rows = values.shape[0]
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].contiguous().clone()
        distributed.all_reduce(total)
        start = distributed.get_rank() * ctx.rows
        return total[start : start + ctx.rows]


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def all_gather(values: Tensor) -> Tensor:
    """Concatenate ``values`` of all processes along the first dimension.

    Args:
        values: Any shape ``(N, ...)`` and type, the same on every process.

    Returns:
        Shape ``(N * processes, ...)``; without a process group, or with one process, ``values`` itself.

    Example:
        >>> all_gather(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """
    if not _several():
        return values
    gathered = _AllGather.apply(values)
    assert isinstance(gathered, Tensor)
    return gathered


def first_row(count: int) -> int:
    """Return where this process's ``count`` rows start in what :func:`all_gather` returns.

    >>> first_row(8)
    0
    """
    return distributed.get_rank() * count if _several() else 0
