"""Heads as the meta steps call them: with weights handed in, in evaluation mode for a while, whatever they return."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.losses.precision import full_precision

__all__ = ["added", "evaluating", "logits_at", "logits_of", "own", "trainable"]


def logits_of(said: Any) -> Tensor:
    """Return the logits ``(N, C)`` of what a head said, be it logits or ``Outputs``, in full precision."""
    return full_precision(said if isinstance(said, Tensor) else said.logits)


def logits_at(module: nn.Module, weights: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """Return the logits of a head with other parameters or buffers, by their names in it; those not named are its own.

    It runs as written where the head is compiled: neither new leaves nor dual numbers suit compiled code.
    """
    with torch.compiler.set_stance("force_eager"):
        return logits_of(torch.func.functional_call(module, dict(weights), (inputs,)))


@contextlib.contextmanager
def evaluating(modules: Iterable[nn.Module], *, on: bool = True) -> Iterator[None]:
    """Put modules in evaluation mode for a while; each part has its mode again in the end. ``on`` false: nothing."""
    parts = [part for module in modules for part in module.modules()] if on else []
    modes = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode


def trainable(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters that train, by name."""
    return {name: one for name, one in module.named_parameters() if one.requires_grad}


def own(gradients: Mapping[Tensor, Tensor], module: nn.Module) -> dict[Tensor, Tensor]:
    """Return those gradients that are of a module's parameters."""
    return {one: gradients[one] for one in module.parameters() if one in gradients}


def added(*gradients: Mapping[Tensor, Tensor]) -> dict[Tensor, Tensor]:
    """Return sums of gradients; where only some have a parameter, the others count 0."""
    found: dict[Tensor, Tensor] = {}
    for some in gradients:
        for parameter, one in some.items():
            found[parameter] = found[parameter] + one if parameter in found else one
    return found
