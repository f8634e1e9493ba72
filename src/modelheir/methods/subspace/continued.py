"""Ways that train the whole network: on from the last snapshot, or a training of its own as a control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelheir.methods.subspace.planes import loss_in

if TYPE_CHECKING:
    from modelheir.methods.subspace.build import Build, Done
    from modelheir.plans import Task

__all__ = ["anneal", "full"]


def anneal(build: Build, done: Done) -> Task:
    """Train the last snapshot on, with the rate falling to 0 in a line."""
    model = build.loaded(build.state(done, -1))
    task = build.given.task(model, build.given.data.stream(), loss_in(build, model))
    task.fit = build.fit(schedule="linear", warmup_epochs=0.0, min_lr=0.0)
    return task


def full(build: Build, done: Done) -> Task:
    """Train from the start over a whole schedule, as long as the snapshots' training and a way after it together."""
    model = build.given.model.build()
    task = build.given.task(model, build.given.data.stream(), loss_in(build, model))
    epochs = build.given.fit.epochs + build.config.epochs
    task.fit = build.fit(epochs=epochs, schedule="one_cycle", warmup_epochs=0.0)
    return task
