"""Going on from the best setting of a strategy, for ``method.further`` epochs more.

The best weights are gone on with, under the setting that made them and the run's schedule begun anew. Ours differs from
the benchmark's (Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642), which goes on from the last weights and keeps the
state of Adam.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from modelheir.methods.adapt.builder import best_of
from modelheir.models import adapters
from modelheir.plans import Grid

if TYPE_CHECKING:
    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.plans import Task

__all__ = ["further"]


def further(build: Builder, name: str, node: Node) -> Node:
    """Let the best of some stages train further; return them and that training, whose best is gone on with.

    Args:
        build: Of the run.
        name: What the stage's name begins with.
        node: Stages that train; others are returned as they are.
    """
    epochs = build.tuning.further
    if not epochs or build.blended.issuperset(node):
        return node

    def prepare(done: Done) -> Task:
        best = best_of(done, node)
        task = build.stages[best.name].prepare(done)
        if isinstance(task, Grid):
            grid = best.describe["grid"]
            task = task.make_task(grid["members"][grid["chosen"]]["setting"])
        assert task is not None
        for key, module in task.modules.items():
            adapters.load_plain(module, best.weights(key))
        fit = dataclasses.replace(task.fit or build.given.fit, epochs=epochs)
        return dataclasses.replace(task, fit=fit, describe={**task.describe, "from": best.name})

    stage = build.add(f"{name}_further{build.suffix}", prepare)
    build.before[stage] = build.newest, node
    return (*node, stage)
