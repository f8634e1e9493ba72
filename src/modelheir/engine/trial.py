"""Evaluate on trial: whatever is run inside leaves no trace in what is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

__all__ = ["trial"]


@contextlib.contextmanager
def trial(
    modules: Iterable[nn.Module], *, generators: Iterable[torch.Generator] = (), evaluate: bool = False
) -> Iterator[None]:
    """Give modules and random state back as they were: buffers (batch-norm statistics), weights, modes, draws.

    A line search tries weights, a look-ahead takes a step: in the end every parameter and buffer has its value, and
    gradients that were there before are there again. Dropout inside draws what it would have drawn, and so does what
    comes after. The modules' own tensors stay, since others hold them.

    Args:
        modules: What the trial runs or changes.
        generators: Generators that it draws from, beside torch's own.
        evaluate: Put the modules in evaluation mode; else their modes stay until the trial changes them.
    """
    parts = [part for module in modules for part in module.modules()]
    modes = [part.training for part in parts]
    slots = [(part._buffers, name) for part in parts for name in part._buffers]
    buffers = [(held, name, held[name], _copy(held[name])) for held, name in slots]
    parameters = list(dict.fromkeys(p for part in parts for p in part.parameters(recurse=False)))
    weights = [(p, p.detach().clone(), p.grad, None if p.grad is None else p.grad.clone()) for p in parameters]
    drawn = [(generator, generator.get_state()) for generator in generators]
    devices = sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
    try:
        with torch.random.fork_rng(devices=devices):
            if evaluate:
                for part in parts:
                    part.training = False
            yield
    finally:
        with torch.no_grad():
            for held, name, tensor, value in buffers:
                held[name] = tensor
                if tensor is not None and value is not None:
                    tensor.copy_(value)
            for parameter, value, gradient, kept in weights:
                parameter.copy_(value)
                parameter.grad = gradient
                if gradient is not None and kept is not None:
                    gradient.copy_(kept)
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode
        for generator, state in drawn:
            generator.set_state(state)


def _copy(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.detach().clone()
