"""A toy world for the engine: 10-dimensional points in three classes, a small net, a log in memory."""

import dataclasses

import pytest
import torch
from torch import nn

from modelheir.config.fit import FitConfig
from modelheir.data import tensor_stream
from modelheir.engine.runtime import Runtime
from modelheir.engine.stages import run_plan
from modelheir.runs.folder import RunFolder
from modelheir.types import Outputs

FIT = FitConfig(epochs=3, batch_size=20, optimizer="sgd", lr=0.05, schedule="cosine", evaluate_every=1)


class Stopped(Exception):
    """Stands for a kill between two steps."""


class Rows(list):
    """A log that keeps rows in a list."""

    def write(self, row):
        self.append(dict(row))

    def rewind(self, stage, epoch):
        self[:] = [row for row in self if row["stage"] != stage or row["epoch"] < epoch]


class Quiet:
    """Progress that stops the run after a number of steps, if asked to."""

    def __init__(self, stop_after=None):
        self.left = stop_after

    def stage(self, name, steps, done=0):
        pass

    def advance(self, images):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Stopped

    def note(self, text):
        pass


class Net(nn.Module):
    """A small classifier that follows the ``Outputs`` contract."""

    def __init__(self, seed=0, width=8, classes=3, features=10):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Sequential(nn.Linear(features, width), nn.Tanh(), nn.Dropout(0.1))
            self.head = nn.Linear(width, classes)

    def forward(self, x):
        features = self.body(x)
        return Outputs(self.head(features), features)


def points(n=100, seed=0, shift=0.0):
    """Return ``n`` points of three Gaussian classes and their labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    centres = torch.randn(3, 10, generator=torch.Generator().manual_seed(99)) * 1.5
    return torch.randn(n, 10, generator=generator) + centres[labels] + shift, labels


def stream(n=100, seed=0, train=True, shift=0.0, batch_size=20, labelled=True, **settings):
    """Return a stream over :func:`points`."""
    x, y = points(n, seed, shift)
    y = y if labelled else torch.full_like(y, -1)
    ids = [f"{seed}/{i}" for i in range(n)]
    return tensor_stream(x, y, batch_size=batch_size, train=train, seed=5, ids=ids, classes=("a", "b", "c"), **settings)


@pytest.fixture
def toy():
    """Everything above under one name."""

    class Toy:
        net, make_stream, make_points, rows, quiet, stopped, fit = (
            Net,
            staticmethod(stream),
            staticmethod(points),
            Rows,
            Quiet,
            Stopped,
            FIT,
        )

        @staticmethod
        def run(plan, path, *, stop_after=None, log=None, seed=3, **settings):
            fit = dataclasses.replace(FIT, **settings)
            return run_plan(
                plan,
                RunFolder(path),
                runtime=Runtime("cpu"),
                fit_config=fit,
                seed=seed,
                log=Rows() if log is None else log,
                progress=Quiet(stop_after),
            )

    return Toy
