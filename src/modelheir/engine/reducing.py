"""How processes join in a step: an objective as one module for DDP, and batch norms over the whole batch.

DistributedDataParallel averages gradients while the backward pass still runs, and so needs one module whose forward is
all that the loss is made of: here the objective itself. Losses and weights are those of the explicit average.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from modelheir.config.fit import FitConfig
from modelheir.engine.step import EngineStep
from modelheir.inference.runtime import Runtime
from modelheir.models.batch_norm import SynchronisedBatchNorm
from modelheir.plans import Task
from modelheir.types import Batch, LossTerms

__all__ = ["Reducing"]


class Reducing:
    """The objective of a task as its processes share it.

    Args:
        task: The task; one that does its own steps is never wrapped.
        fit: Says how gradients are averaged, and whether batch norms are joined.
        runtime: This process and its peers.
        step: Told whether gradients come averaged from the backward pass.
    """

    def __init__(self, task: Task, fit: FitConfig, runtime: Runtime, step: EngineStep) -> None:
        self.task, self.step = task, step
        self.joined = fit.sync_batch_norm and runtime.world > 1
        self.wrapped: DistributedDataParallel | None = None
        trained = any(p.requires_grad for module in task.modules.values() for p in module.parameters())
        if fit.reduce == "ddp" and runtime.world > 1 and trained and task.objective is not None:
            # buffers are the engine's to average, and begin() has made all weights one
            self.wrapped = DistributedDataParallel(
                _Objective(task), broadcast_buffers=False, find_unused_parameters=True, init_sync=False
            )
        step.averaged = self.wrapped is not None

    def norms(self) -> contextlib.AbstractContextManager[object]:
        """Return the context of a step's forward passes."""
        return SynchronisedBatchNorm() if self.joined else contextlib.nullcontext()

    def __call__(self, batches: Mapping[str, Batch]) -> LossTerms:
        """Return the objective's terms."""
        if self.wrapped is None:
            assert self.task.objective is not None
            return self.task.objective(batches, self.step)
        terms, observed = self.wrapped(batches, self.step)
        return LossTerms(terms, observed)

    def alone(self, *, last: bool) -> contextlib.AbstractContextManager[object]:
        """Return the context of one micro-batch's passes: gradients travel with the last one only."""
        return self.wrapped.no_sync() if self.wrapped is not None and not last else contextlib.nullcontext()


class _Objective(nn.Module):
    def __init__(self, task: Task) -> None:
        super().__init__()
        self.held = nn.ModuleList(task.modules.values())
        self.objective = task.objective

    def forward(self, batches: Mapping[str, Batch], step: EngineStep) -> tuple[dict, dict]:
        assert self.objective is not None
        found = self.objective(batches, step)
        return dict(found.terms), dict(found.observed)
