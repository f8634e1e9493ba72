"""Frozen means provably frozen: no gradients, evaluation mode for good, and a hash to prove it."""

from __future__ import annotations

import copy
import functools
import hashlib
from typing import TypeVar

import torch
from torch import nn

__all__ = ["freeze", "state_hash", "thawed_copy"]

Module = TypeVar("Module", bound=nn.Module)


def _stay(self: nn.Module, mode: bool = True) -> nn.Module:
    """Stand in for ``train``: a frozen module keeps its mode."""
    return self


def freeze(module: Module) -> Module:
    """Put ``module`` in evaluation mode, whatever ``train()`` says later, and stop its gradients; edits in place.

    Example:
        >>> freeze(nn.Dropout()).train().training
        False
    """
    module.eval().requires_grad_(False)
    module.train = functools.partial(_stay, module)  # type: ignore[method-assign] # a bound method cannot be pickled
    return module


def thawed_copy(module: Module) -> Module:
    """Return a copy that trains, whether or not ``module`` is frozen; ``module`` stays as it is.

    Example:
        >>> thawed_copy(freeze(nn.Dropout())).training
        True
    """
    found = copy.deepcopy(module)
    found.__dict__.pop("train", None)
    return found.requires_grad_(True).train()


def state_hash(module: nn.Module) -> str:
    """Return a SHA-256 over every weight and buffer, saved or not: name, type, shape and bytes.

    Example:
        >>> norm = nn.BatchNorm1d(2)
        >>> before = state_hash(norm)
        >>> _ = norm(torch.ones(3, 2))  # moves the running mean
        >>> state_hash(norm) == before
        False
    """
    digest = hashlib.sha256()
    for name, value in sorted([*module.named_parameters(), *module.named_buffers()], key=lambda pair: pair[0]):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
