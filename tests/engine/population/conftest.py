"""Grids of a toy net in float64: three classes of points, four settings, members that stop at different epochs."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modelheir.config.fit import FitConfig
from modelheir.methods.given.squares import penalise_squares
from modelheir.plans import Grid, Stage, Task
from modelheir.types import LossTerms, Outputs

FIT = FitConfig(
    epochs=6, batch_size=20, optimizer="adam", schedule="constant", weight_decay=0.0, keep="best", keep_start=True,
    stop_after_stalls=3,
)  # fmt: skip
SETTINGS = [{"lr": lr, "penalty": penalty, "dropout": 0.0, "seed": 5} for lr in (1e-2, 1e-3) for penalty in (1e-4, 0.1)]


class Net(nn.Module):
    """A net with a batch norm and a dropout, in float64 whatever it is given."""

    def __init__(self, dropout=0.0, hidden=8):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.body = nn.Sequential(nn.Linear(10, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout))
            self.head = nn.Linear(hidden, 3)
        self.double()

    def forward(self, x):
        features = self.body(x.double())
        return Outputs(self.head(features), features)


@pytest.fixture
def grids(toy):
    """Make grids and run them."""

    class Grids:
        net, fit, settings = Net, FIT, SETTINGS
        made = 0  #: tasks

        def task(self, setting, *, hidden=8, objective=None, **more):
            self.made += 1
            model = Net(setting["dropout"], hidden)

            def plain(batches, step):
                batch = batches["train"]
                return LossTerms({"task": cross_entropy(model(batch.inputs).logits, batch.labels)})

            streams = {"train": self.stream(setting["seed"])}
            val = {"val": toy.make_stream(60, seed=8, train=False, shift=0.9)}
            fit = dataclasses.replace(FIT, lr=setting["lr"], **more)
            groups = penalise_squares(setting["penalty"])
            found = objective(model) if objective else plain
            return Task({"model": model}, streams, found, evaluate=val, fit=fit, parameter_groups=groups)

        def stream(self, seed):
            stream = toy.make_stream(100, shift=0.9)
            stream.order = dataclasses.replace(stream.order, seed=seed)
            return stream

        def grid(self, settings=SETTINGS, runner="sequential", share=True, **more):
            return Grid(settings, lambda setting: self.task(setting, **more), share=share, runner=runner)

        def run(self, path, runner="sequential", *, grid=None, log=None, progress=None, stop_after=None, **more):
            grid = grid or self.grid(runner=runner, **more)
            plan = [Stage("grid", lambda done: grid)]
            told = {"log": log, "progress": progress, "stop_after": stop_after}
            return toy.run(plan, path, **told, keep="best")["grid"]

        @staticmethod
        def table(result):
            """Return what the members came to, without the time it took."""
            return [{k: v for k, v in row.items() if k != "seconds"} for row in result.describe["grid"]["members"]]

    return Grids()


@pytest.fixture
def notes():
    """Progress that keeps what it is told."""

    class Notes(list):
        def note(self, text):
            self.append(text)

        def stage(self, name, steps, done=0):
            self.steps = steps

        def advance(self, images):
            pass

        def epoch(self, row):
            pass

        def close(self):
            pass

    return Notes()
