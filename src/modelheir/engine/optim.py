"""Optimisers, the groups of parameters that they move, and averaged weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.config.fit import FitConfig, decay
from modelheir.engine.schedules import peak_rate
from modelheir.plans import Task

__all__ = [
    "ema_update_",
    "hold_rates_",
    "make_optimizer",
    "make_optimizers",
    "set_learning_rate",
]

_FUSED = {torch.float32, torch.float64, torch.bfloat16, torch.float16}  #: what fused steps take

Groups = Callable[[nn.Module], Sequence[tuple[Sequence[Tensor], float, float | None]]]


def make_optimizer(modules: Iterable[nn.Module], fit: FitConfig, groups: Groups | None = None) -> torch.optim.Optimizer:
    """Build the optimiser over all trainable parameters of ``modules``.

    Args:
        modules: What this optimiser moves; a parameter that several share is taken once.
        fit: Kind, rate, momentum and decay.
        groups: Splits a module into groups of parameters, each with a multiplier of the rate and a weight decay, which
            counts for all of them (``None``: the settings', ``decay_norm_and_bias`` included). ``None`` is one group.

    Returns:
        A torch optimiser whose groups carry ``multiplier``; :func:`set_learning_rate` respects it.

    Raises:
        ValueError: If nothing is trainable.
    """
    seen: set[int] = set()
    found: list[dict[str, Any]] = []
    for module in modules:
        parts = groups(module) if groups else [(list(module.parameters()), 1.0, None)]
        for parameters, multiplier, own in parts:
            fresh = [p for p in parameters if p.requires_grad and id(p) not in seen]
            seen.update(id(p) for p in fresh)
            whole = fit.decay_norm_and_bias or own is not None
            exempt = [p for p in fresh if not whole and p.ndim <= 1]
            kept = [p for p in fresh if whole or p.ndim > 1]
            for some, shrink in ((kept, decay(fit) if own is None else own), (exempt, 0.0)):
                if some:
                    found.append({"params": some, "weight_decay": shrink, "multiplier": multiplier})
    if not found:
        raise ValueError("no parameter is trainable: unfreeze a part of the model")
    rate, fused = peak_rate(fit), _fusable(found) or None
    nesterov = fit.nesterov and fit.momentum > 0
    match fit.optimizer:
        case "sgd":
            made = torch.optim.SGD(found, lr=rate, momentum=fit.momentum, nesterov=nesterov, fused=fused)
        case "rmsprop":
            made = torch.optim.RMSprop(found, lr=rate, momentum=fit.momentum)
        case "adam":
            made = torch.optim.Adam(found, lr=rate, fused=fused)
        case _:
            made = torch.optim.AdamW(found, lr=rate, fused=fused)
    if all(parameter.device.type == "cuda" for group in found for parameter in group["params"]):
        hold_rates_(made)
    return made


def hold_rates_(optimizer: torch.optim.Optimizer) -> None:
    """Let every group's rate and step count live on its parameters' device, where the optimiser can read them there.

    So a step is the same work whatever the rate, the host hands over no number that matters, and it can be captured.
    Fused steps can, and those that have ``capturable``; the others would read the rate back and keep a number.
    """
    for group in optimizer.param_groups:
        if group.get("fused") or "capturable" in group:
            group["lr"] = torch.full((), group["lr"], device=group["params"][0].device)
            if "capturable" in group:
                group["capturable"] = True


def _fusable(groups: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether one kernel can step all parameters: floating point, on one CPU or CUDA device."""
    held = [parameter for group in groups for parameter in group["params"]]
    devices, kinds = {parameter.device for parameter in held}, {parameter.dtype for parameter in held}
    return len(devices) == 1 and devices.pop().type in ("cpu", "cuda") and kinds <= _FUSED


def make_optimizers(task: Task, fit: FitConfig) -> tuple[dict[str, torch.optim.Optimizer], dict[str, FitConfig]]:
    """Build the optimisers of a task, one over all modules where it names none, and the settings of each.

    Raises:
        ValueError: If nothing is trainable, or settings are for an optimiser that is not there.
    """
    members = task.optimizers
    if members is None:
        members = {"main": tuple(task.modules)} if task.streams else {}
    if extra := set(task.optimizer_fits) - set(members):
        raise ValueError(f"optimizer_fits names {sorted(extra)}, and the optimisers are {sorted(members)}")
    fits = {name: dataclasses.replace(task.optimizer_fits.get(name, fit), epochs=fit.epochs) for name in members}
    optimizers = {
        name: make_optimizer([task.modules[one] for one in own], fits[name], task.parameter_groups)
        for name, own in members.items()
    }
    return optimizers, fits


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group ``rate`` times its own multiplier; a rate that is a tensor keeps its place in memory."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate * group["multiplier"])
        else:
            group["lr"] = rate * group["multiplier"]


@torch.no_grad()
def ema_update_(average: Mapping[str, Tensor], current: Mapping[str, Tensor], decay: float) -> None:
    """Move ``average`` towards ``current``, buffers included: ``a <- decay a + (1 - decay) c``; integers are copied."""
    floats = [key for key, value in average.items() if value.is_floating_point()]
    held, now = [average[key] for key in floats], [current[key] for key in floats]
    torch._foreach_lerp_(held, now, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]
    counts = [key for key, value in average.items() if not value.is_floating_point()]
    if counts:
        held, now = [average[key] for key in counts], [current[key] for key in counts]
        torch._foreach_copy_(held, now)  # pyright: ignore[reportPrivateImportUsage]
