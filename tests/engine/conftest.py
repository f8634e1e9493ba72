"""A toy world for the engine: 10-dimensional points in three classes, a small net, a log in memory."""

import dataclasses
import json
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modelheir.config.fit import FitConfig
from modelheir.data import tensor_stream
from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.plans import Stage, Task
from modelheir.runs.folder import RunFolder
from modelheir.types import LossTerms, Outputs

FIT = FitConfig(
    epochs=3, batch_size=20, optimizer="sgd", lr=0.05, schedule="cosine", evaluate_every=1, save_every_epochs=1
)


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

    def close(self):
        pass

    def advance(self, images):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Stopped

    def epoch(self, row):
        pass

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


def one(make_task):
    """Return a plan of one stage."""
    return [Stage("train", lambda done: make_task())]


def weights(results, module="model"):
    return results["train"].weights(module)


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


class Normed(nn.Module):
    """A net with batch normalisation and dropout."""

    def __init__(self, seed=1):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2))
            self.head = nn.Linear(8, 3)

    def forward(self, x):
        features = self.body(x)
        return Outputs(self.head(features), features)


def two_streams(spoil_at=None):
    """Return a task over a labelled and a shorter unlabelled stream, whose last batches are not whole."""
    model = Normed()

    def objective(batches, step):
        labelled, pool = batches["labelled"], batches["pool"]
        noise = torch.randn(3, generator=step.generator)
        loss = cross_entropy(model(labelled.inputs).logits + 0.1 * noise, labelled.labels)
        match = model(pool.inputs).logits.logsumexp(1).square().mean()
        if step.number == spoil_at:
            loss = loss * math.nan
        return LossTerms({"task": loss, "match": 0.01 * match}, {"seen": torch.tensor(float(len(labelled)))})

    streams = {"labelled": stream(107), "pool": stream(66, seed=4, labelled=False)}
    return Task({"model": model}, streams, objective, evaluate={"val": stream(60, seed=8, train=False)})


def plain(*, net=None, evaluate=True, spoil_at=None, **settings):
    """Return a one-stage plan of plain training, and the net."""
    model = net or Net(seed=1)
    model.body[2].p = 0.0  # no dropout, so that splitting a batch changes nothing

    def prepare(done):
        def objective(batches, step):
            batch = batches["train"]
            loss = cross_entropy(model(batch.inputs).logits, batch.labels)
            return LossTerms({"task": loss * math.nan if step.number == spoil_at else loss})

        val = {"val": stream(60, seed=8, train=False)} if evaluate else {}
        return Task({"model": model}, {"train": stream(**settings)}, objective, evaluate=val)

    return [Stage("train", prepare)]


def same_rows(rows):
    return [{k: v for k, v in row.items() if k not in ("images_per_second", "data_seconds", "steps")} for row in rows]


HARD = {
    "epochs": 4,
    "accumulate": 2,
    "ema_decay": 0.7,
    "keep": "best",
    "schedule": "plateau",
    "step_epochs": 1.0,
    "step_factor": 0.5,
    "save_every_steps": 2,
    "clip_norm": 1.0,
}


@pytest.fixture
def toy():
    """Everything above under one name."""

    class Toy:
        net, normed, rows, quiet, stopped, fit, hard = Net, Normed, Rows, Quiet, Stopped, FIT, HARD
        make_stream, make_points = staticmethod(stream), staticmethod(points)
        plain, two_streams, one = staticmethod(plain), staticmethod(two_streams), staticmethod(one)
        weights, equal = staticmethod(weights), staticmethod(equal)
        same_rows = staticmethod(same_rows)

        @staticmethod
        def run(plan, path, *, stop_after=None, log=None, progress=None, seed=3, device="cpu", **settings):
            fit = dataclasses.replace(FIT, **settings)
            return run_plan(
                plan,
                RunFolder(path),
                runtime=Runtime(device),
                fit_config=fit,
                seed=seed,
                log=Rows() if log is None else log,
                progress=Quiet(stop_after) if progress is None else progress,
            )

    return Toy


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory, copies):
    """Run a program on two processes; return what each wrote to ``NAME_RANK.json`` in the folder given, by name."""

    def run(program, **how):
        folder = tmp_path_factory.mktemp("two_processes")
        done = copies.program(program, folder, world=2, **how)
        assert done.returncode == 0, done.stderr
        ends = (f"_{rank}.json" for rank in range(2))
        return [{p.name.removesuffix(end): json.loads(p.read_text()) for p in folder.glob(f"*{end}")} for end in ends]

    return run
