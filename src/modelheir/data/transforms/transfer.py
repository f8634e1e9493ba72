"""Small arrays on their way to the device: all that a batch needs in one copy, which the host does not wait for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

__all__ = ["to_device"]

_ALIGNED = 16  #: bytes; a view in another type must begin at a multiple of its size


def to_device(arrays: Mapping[str, np.ndarray], device: torch.device) -> dict[str, Tensor]:
    """Copy arrays of any types and shapes in one transfer; the tensors are views of one piece of memory.

    On CUDA the piece is pinned, so the copy waits in the device's queue and the host goes on.

    Args:
        arrays: By name; they are read before this returns.
        device: Where the tensors live.

    Returns:
        By the same names, the same types and shapes.

    Example:
        >>> to_device({"a": np.arange(2), "b": np.ones((1, 2), dtype=np.float32)}, torch.device("cpu"))
        {'a': tensor([0, 1]), 'b': tensor([[1., 1.]])}
    """
    if not arrays:
        return {}
    starts = np.cumsum([0, *(-(-array.nbytes // _ALIGNED) * _ALIGNED for array in arrays.values())])
    packed = torch.empty(int(starts[-1]), dtype=torch.uint8, pin_memory=device.type == "cuda")
    parts = {
        name: (start, array.nbytes, torch.from_numpy(np.empty(0, array.dtype)).dtype, array.shape)
        for (name, array), start in zip(arrays.items(), starts.tolist(), strict=False)
    }
    host = packed.numpy()
    for array, (start, size, _, _) in zip(arrays.values(), parts.values(), strict=True):
        host[start : start + size] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    there = packed.to(device, non_blocking=True)
    return {
        name: there[start : start + size].view(kind).view(shape) for name, (start, size, kind, shape) in parts.items()
    }
