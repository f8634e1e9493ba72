"""Ways that train the whole network: the training that leaves snapshots, on from its end, or a control of its own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelheir.config.fit import FitConfig
    from modelheir.methods.subspace.build import Build, Done
    from modelheir.models import Classifier
    from modelheir.plans import Task

__all__ = ["anneal", "collect", "full"]


def collect(build: Build, done: Done) -> Task:
    """Train a network from the start and keep snapshots."""
    return _trained(build, build.given.model.build(), build.given.fit)


def anneal(build: Build, done: Done) -> Task:
    """Train the last snapshot on, with the rate falling to 0 in a line."""
    fit = build.fit(schedule="linear", warmup_epochs=0.0, min_lr=0.0)
    task = _trained(build, build.loaded(build.state(done, -1)), fit)
    task.fallback = "Lower fit.lr for this way."
    return task


def full(build: Build, done: Done) -> Task:
    """Train from the start over a whole schedule, as long as the snapshots' training and a way after it together."""
    epochs = build.given.fit.epochs + build.config.epochs
    fit = build.fit(epochs=epochs, schedule="one_cycle", warmup_epochs=0.0)
    return _trained(build, build.given.model.build(), fit)


def _trained(build: Build, model: Classifier, fit: FitConfig) -> Task:
    task = build.given.task(model, build.given.data.stream(), build.loss(model))
    task.fit, task.measure = fit, functools.partial(build.measured, model)
    return task
