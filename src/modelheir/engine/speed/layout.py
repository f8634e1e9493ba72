"""How networks and the state of their optimisers lie in memory, so that a step takes no longer than it must."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.models.bodies.taps import skip_dead_taps

__all__ = ["arrange", "as_laid_out", "load_optimizer"]

_OWN = ("fused", "capturable", "foreach")  #: how an optimiser steps


def arrange(modules: Iterable[nn.Module], device: torch.device, precision: str) -> None:
    """Lay networks out for ``device``; values, names and the parameters' identity stay.

    Convolutions skip taps that see only padding. Four-dimensional weights lie with their channels last where that
    pays: on the CPU (0.55 to 0.99 of the time, measured over six networks), and on a GPU in half precision.
    """
    for module in modules:
        skip_dead_taps(module)
        pays = device.type == "cpu" or (device.type == "cuda" and precision != "fp32")
        if pays and any(isinstance(one, nn.Conv2d) for one in module.modules()):
            module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def as_laid_out(value: Tensor, like: Tensor) -> Tensor:
    """Return ``value`` in the memory order of ``like``, which has its shape; itself where it lies so already."""
    return value if value.stride() == like.stride() else torch.empty_like(like, dtype=value.dtype).copy_(value)


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Take an optimiser's state back, each tensor in its parameter's memory order.

    A fused step walks through memory and not through indices: with another order it would be wrong without a word.
    How the optimiser steps, and where its rates live, is its own: the file may come from another device, or be older.
    """
    own = [{key: group[key] for key in _OWN if key in group} for group in optimizer.param_groups]
    rates = [group["lr"] for group in optimizer.param_groups]
    ways = [{**group, **mine} for group, mine in zip(state["param_groups"], own, strict=True)]
    optimizer.load_state_dict({**state, "param_groups": ways})
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate.fill_(group["lr"]) if isinstance(rate, Tensor) else float(group["lr"])
    for parameter, held in optimizer.state.items():
        for name, value in held.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                held[name] = as_laid_out(value, parameter)
