"""The state of one stage in training: what the loop moves on, what a resume point holds, what an error looks up."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizers
from modelheir.engine.schedules import Plateau
from modelheir.engine.snapshots import Snapshots
from modelheir.engine.speed.layout import arrange
from modelheir.engine.step import EngineStep
from modelheir.engine.tally import Tally
from modelheir.inference.runtime import Runtime
from modelheir.models.adapters import is_function, plain_state, trained_names
from modelheir.plans import Task
from modelheir.runs.stage import StageFolder
from modelheir.types import Stream

__all__ = ["Training", "begin", "moving_buffers", "named_state"]


@dataclasses.dataclass(eq=False)
class Training:
    """One stage between two steps."""

    task: Task
    folder: StageFolder
    runtime: Runtime
    fit: FitConfig
    first: str  #: name of the stream that defines the epoch; "" where nothing is trained
    stream: Stream | None  #: that stream
    length: int  #: optimiser steps an epoch
    step: EngineStep
    fits: Mapping[str, FitConfig]  #: the settings of each optimiser
    plateau: Plateau
    tally: Tally  #: of the epoch so far
    snapshots: Snapshots
    live: dict[str, Tensor]  #: weights and buffers of all modules, keys ``<module>/<parameter>``
    average: dict[str, Tensor] | None  #: their moving average, where ``fit.ema_decay`` asks for one
    number: int = 0  #: optimiser steps done
    best: float = -float("inf")  #: best value so far on the selection split
    waited: int = 0  #: epochs since then
    latest: float = -float("inf")  #: value at the last evaluation
    worse: bool = False  #: whether it was below the one before
    stalls: int = 0  #: evaluations in a row, none above the one before it
    seconds: float = 0.0  #: that its epochs took, in all processes' lives
    chosen_epoch: int = 0  #: epochs before the best value so far
    chosen_loss: float = math.inf  #: on that split, of these weights
    chosen: dict[str, Tensor] | None = None  #: copies of the best weights so far, where ``fit.keep`` is "best"
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)  #: of the last evaluation on that split

    @property
    def loss(self) -> float:
        """On the selection split, at the last evaluation."""
        value = self.metrics.get("loss", math.inf)
        return math.inf if math.isnan(value) else value

    @torch.no_grad()
    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Copy ``weights`` (keys ``<module>/<parameter>``) into the modules in place."""
        for key, value in self.live.items():
            value.copy_(weights[key])

    def kept(self) -> dict[str, Tensor]:
        """Return the weights that count: averaged where there is an average; not copied."""
        return dict(self.live if self.average is None else self.average)

    def plain(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return ``weights`` as the plain networks hold them, where some are functions of others; else as they are."""
        if not any(is_function(module) for module in self.task.modules.values()):
            return weights
        raw = {key: value.clone() for key, value in self.live.items()}
        self.put(weights)
        found = {
            f"{name}/{key}": value.clone()
            for name, module in self.task.modules.items()
            for key, value in plain_state(module).items()
        }
        self.put(raw)
        return found

    def snapshot(self, *, last: bool = False) -> None:
        """Take a snapshot, if one is due after the steps done so far; at the ``last`` of them, one always is."""
        if self.snapshots.due(self.number, last=last):
            raw = named_state(self.task.modules)  # a module may have put another tensor in a buffer's place
            weights = self.plain(raw if self.fit.snapshots.weights == "raw" else self.kept())
            trained = {f"{name}/{key}" for name, one in self.task.modules.items() for key in trained_names(one)}
            self.snapshots.take(self.number, weights, trained)


def begin(task: Task, folder: StageFolder, runtime: Runtime, fit: FitConfig, seed: int) -> Training:
    """Move a task to the device and return its state before the first step, the same on every process."""
    networks = (*task.modules.values(), *task.references.values())
    for module in networks:
        module.to(runtime.device)
    arrange(networks, runtime.device, fit.precision)
    first, stream = next(iter(task.streams.items()), ("", None))
    length = len(stream) if stream is not None else 0
    optimizers, fits = make_optimizers(task, fit)
    live = named_state(task.modules)
    runtime.from_main_(live.values())
    return Training(
        task=task,
        folder=folder,
        runtime=runtime,
        fit=fit,
        first=first,
        stream=stream,
        length=length,
        step=EngineStep(runtime, fit, optimizers, stage=folder.name, seed=seed, steps=fit.epochs * length),
        fits=fits,
        plateau=Plateau(fit.step_epochs, fit.step_factor),
        tally=Tally(runtime, length),
        snapshots=Snapshots(folder, fit.snapshots, length=length, main=runtime.main),
        live=live,
        average={key: value.clone() for key, value in live.items()} if fit.ema_decay > 0 else None,
    )


def named_state(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return the live weights and buffers of all modules, keys ``<module>/<parameter>``."""
    return {f"{name}/{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}


def moving_buffers(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return the buffers that training moves, keys ``<module>/<buffer>``: processes must make them one.

    Not those that are not saved, such as a basis, which every process makes for itself; nor those of a part in
    evaluation mode, such as a frozen batch norm, which stay what they are.
    """
    return {
        "/".join((name, f"{path}.{key}" if path else key)): value
        for name, module in modules.items()
        for path, part in module.named_modules()
        if part.training
        for key, value in part.named_buffers(recurse=False)
        if key not in part._non_persistent_buffers_set
    }
