"""Optimisers, learning-rate schedules, gradient clipping and averaged weights.

The learning rate is a pure function of the step (plateau aside, which is a function of the validation history), so
nothing but a step count needs saving.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.config.fit import FitConfig, decay
from modelheir.plans import Task

__all__ = [
    "Plateau",
    "ema_update_",
    "hold_rates_",
    "learning_rate",
    "make_optimizer",
    "make_optimizers",
    "peak_rate",
    "rising_epochs",
    "set_learning_rate",
]

_FUSED = {torch.float32, torch.float64, torch.bfloat16, torch.float16}  #: what fused steps take

Groups = Callable[[nn.Module], Sequence[tuple[Sequence[Tensor], float, float | None]]]


def peak_rate(fit: FitConfig) -> float:
    """Return the highest learning rate: ``lr``, scaled to the batch where ``lr_reference_batch`` is given.

    Linear scaling: Goyal et al., 2017, arXiv:1706.02677, section 2.1. ``warmup_lr`` and ``min_lr`` stay as given.

    Raises:
        ValueError: If ``lr`` was left open: ``config.fit.choose`` chooses it.

    Example:
        >>> peak_rate(FitConfig(lr=0.1, batch_size=1280, lr_reference_batch=256))
        0.5
    """
    if not fit.lr:
        raise ValueError("fit.lr is not chosen: call config.fit.choose first")
    return fit.lr * fit.batch_size / fit.lr_reference_batch if fit.lr_reference_batch else fit.lr


def rising_epochs(fit: FitConfig) -> float:
    """Return for how many epochs the rate rises: ``warmup_epochs``, of one_cycle a quarter of the run where that is 0.

    The shape is that of Smith and Topin, "Super-Convergence", 2018, arXiv:1708.07120, with a cosine fall and the
    momentum held.

    Example:
        >>> rising_epochs(FitConfig(epochs=30)), rising_epochs(FitConfig(schedule="cosine"))
        (7.5, 0.0)
    """
    return fit.warmup_epochs or (fit.epochs / 4 if fit.schedule == "one_cycle" else 0.0)


def learning_rate(fit: FitConfig, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of step ``step`` (from 0) as a multiple of 1, before any group's multiplier.

    Warm-up is linear from ``warmup_lr`` to :func:`peak_rate` over :func:`rising_epochs`; one_cycle, cosine and linear
    then end at ``min_lr`` after the last step; step multiplies by ``step_factor`` every ``step_epochs`` epochs counted
    from the start of training. fixmatch_cosine is ``min_lr + (peak - min_lr) cos(7 pi k / 16 K)`` at step ``k`` of
    ``K`` (Sohn et al., "FixMatch", 2020, arXiv:2001.07685, section 2.4) and ends at 0.195 of the peak.

    A cosine that ends where a step schedule would, at ``lr * 0.1 ** (epochs / lr_step)``, is ``schedule="cosine"``
    with that number as ``min_lr``, ``lr`` being the scaled one: for ``lr = 0.1`` (no scaling), 90 epochs and an
    ``lr_step`` of 30, ``min_lr = 1e-4``.

    Example:
        >>> fit = FitConfig(epochs=90, lr=0.1, schedule="step", step_epochs=30)
        >>> [round(learning_rate(fit, epoch * 10, 10), 6) for epoch in (0, 29, 30, 89)]
        [0.1, 0.1, 0.01, 0.001]
    """
    peak, warmup = peak_rate(fit), round(rising_epochs(fit) * steps_per_epoch)
    if step < warmup:
        return fit.warmup_lr + (peak - fit.warmup_lr) * step / warmup
    if fit.schedule in ("constant", "plateau"):
        return peak
    if fit.schedule == "step":
        return peak * fit.step_factor ** math.floor(step / steps_per_epoch / fit.step_epochs + 1e-9)
    done = (step - warmup) / max(fit.epochs * steps_per_epoch - warmup, 1)
    if fit.schedule == "fixmatch_cosine":
        share = math.cos(7 / 16 * math.pi * done)
    else:
        share = (1 + math.cos(math.pi * done)) / 2 if fit.schedule in ("one_cycle", "cosine") else 1 - done
    return fit.min_lr + (peak - fit.min_lr) * share


class Plateau:
    """Multiply the rate by a factor when the validation value has not risen for some epochs."""

    def __init__(self, patience: float, factor: float) -> None:
        self.patience, self.factor = patience, factor
        self.scale, self.best, self.waited = 1.0, -math.inf, 0

    def observe(self, value: float, epochs: int = 1) -> None:
        """Take the value (higher is better) after ``epochs`` more epochs."""
        if value > self.best:
            self.best, self.waited = value, 0
            return
        self.waited += epochs
        if self.waited >= self.patience:
            self.scale, self.waited = self.scale * self.factor, 0

    def state_dict(self) -> dict[str, float | None]:
        """Return what :meth:`load_state_dict` needs."""
        best = self.best if math.isfinite(self.best) else None
        return {"scale": self.scale, "best": best, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.scale, self.waited = state["scale"], state["waited"]
        self.best = -math.inf if state["best"] is None else state["best"]


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
