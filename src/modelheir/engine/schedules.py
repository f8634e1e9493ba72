"""Learning-rate schedules: pure functions of the step, so nothing but a step count needs saving.

Plateau aside, which is a function of the validation history.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from modelheir.config.fit import FitConfig

__all__ = ["Plateau", "learning_rate", "peak_rate", "rising_epochs"]


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
    then end at ``min_lr`` after the last step, and so does polynomial, which is linear to a ``power``: after a share
    ``s`` of the steps since the rise, ``min_lr + (peak - min_lr) (1 - s) ** power`` (Chen et al., "DeepLab", 2016,
    arXiv:1606.00915, section 4.1). step multiplies by ``step_factor`` every ``step_epochs`` epochs, multistep at each
    of ``milestones``, both counted from the start of training. fixmatch_cosine is ``min_lr + (peak - min_lr)
    cos(7 pi k / 16 K)`` at step ``k`` of ``K`` (Sohn et al., "FixMatch", 2020, arXiv:2001.07685, section 2.4) and ends
    at 0.195 of the peak.

    A cosine that ends where a step schedule would, at ``lr * 0.1 ** (epochs / lr_step)``, is ``schedule="cosine"``
    with that number as ``min_lr``, ``lr`` being the scaled one: for ``lr = 0.1`` (no scaling), 90 epochs and an
    ``lr_step`` of 30, ``min_lr = 1e-4``.

    Example:
        >>> fit = FitConfig(epochs=90, lr=0.1, schedule="step", step_epochs=30)
        >>> [round(learning_rate(fit, epoch * 10, 10), 6) for epoch in (0, 29, 30, 89)]
        [0.1, 0.1, 0.01, 0.001]
        >>> fit = FitConfig(epochs=90, lr=0.1, schedule="multistep", milestones=(30, 80.5))
        >>> [round(learning_rate(fit, epoch * 10, 10), 6) for epoch in (0, 29, 30, 80, 81)]
        [0.1, 0.1, 0.01, 0.01, 0.001]
    """
    peak, warmup = peak_rate(fit), round(rising_epochs(fit) * steps_per_epoch)
    if step < warmup:
        return fit.warmup_lr + (peak - fit.warmup_lr) * step / warmup
    if fit.schedule in ("constant", "plateau"):
        return peak
    if fit.schedule == "step":
        return peak * fit.step_factor ** math.floor(step / steps_per_epoch / fit.step_epochs + 1e-9)
    if fit.schedule == "multistep":
        return peak * fit.step_factor ** sum(step / steps_per_epoch >= one - 1e-9 for one in fit.milestones)
    done = (step - warmup) / max(fit.epochs * steps_per_epoch - warmup, 1)
    if fit.schedule in ("one_cycle", "cosine"):
        share = (1 + math.cos(math.pi * done)) / 2
    elif fit.schedule == "fixmatch_cosine":
        share = math.cos(7 / 16 * math.pi * done)
    else:
        share = max(1 - done, 0.0) ** (fit.power if fit.schedule == "polynomial" else 1.0)
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
