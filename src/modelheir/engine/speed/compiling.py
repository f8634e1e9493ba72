"""``fit.compile``: the forward passes of what is trained, through ``torch.compile``, while it is trained.

Names of weights, resume points and results stay what they are. Evaluations run as without it, so what a run publishes
is what ``predict`` gives. Dropout and stochastic depth draw what they would draw otherwise.

``fit.cuda_graphs``: what is compiled is also captured, by torch's own graphs of a compiled function (its mode
``reduce-overhead``): one graph for the forward and one for the backward pass of each call of a module, with the
weights where they lie and every other input copied to a fixed place. Losses, clipping and the optimiser run as before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from modelheir.checks import InputError

__all__ = ["begin_step", "check_compiler", "compiled", "uncompiled"]

_NEEDS = {"cpu": "a C++ compiler (g++, or what CXX names)", "cuda": "Triton and a C compiler (gcc, or what CC names)"}
_OPTIONS: dict[str, Any] = {"fallback_random": True}  #: draws of torch's own generators instead of the compiler's
_GRAPHS: dict[str, Any] = {"triton.cudagraphs": True}


def check_compiler(device: torch.device, *, graphs: bool = False) -> None:
    """Compile a sum, so that a machine that cannot compile says so before the first batch.

    Raises:
        InputError: Names what is missing; or ``graphs`` are asked for on another device than a GPU.
    """
    if graphs and device.type != "cuda":
        raise InputError(
            f"fit.cuda_graphs = True: {device.type} has no CUDA graphs: leave it out, or train on a CUDA device."
        )
    values = torch.ones(4, device=device)
    try:
        torch.compile(lambda x: x + 1, options=_options(graphs))(values)
    except Exception as error:  # whatever a compiler, its absence or its headers raise
        cause = str(error).strip().splitlines() or [type(error).__name__]
        said = " ".join(line.strip() for line in cause[:2])
        needed = _NEEDS.get(device.type, f"a backend for {device.type}")
        raise InputError(
            f"fit.compile = True: torch cannot compile for {device.type} here ({said}). It needs {needed}: install it, "
            "or leave fit.compile out."
        ) from error


@contextlib.contextmanager
def compiled(modules: Iterable[nn.Module], *, graphs: bool = False) -> Iterator[None]:
    """Let calls of ``modules`` go through compiled code for a while; the modules are the same in the end.

    A first call of each shape takes seconds to a minute. With ``graphs`` the code is captured and replayed: what a call
    returns, and the gradients of its backward pass, are valid until the next :func:`begin_step`.
    """
    held = list(modules)
    for module in held:
        module.compile(options=_options(graphs))
    try:
        yield
    finally:
        for module in held:
            module._compiled_call_impl = None  # torch has no call that takes it back


def begin_step(*, graphs: bool) -> None:
    """Tell captured code that nothing of the step before is needed any more; nothing where nothing is captured."""
    if graphs:
        torch.compiler.cudagraph_mark_step_begin()


def _options(graphs: bool) -> dict[str, Any]:
    return {**_OPTIONS, **_GRAPHS} if graphs else _OPTIONS


def uncompiled(on: bool) -> contextlib.AbstractContextManager[object]:
    """Return a context in which compiled modules run as they were written; nothing where nothing is compiled."""
    return torch.compiler.set_stance("force_eager") if on else contextlib.nullcontext()
