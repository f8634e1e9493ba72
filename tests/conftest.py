"""Draws, and a tiny real world for the methods: 96 images, a small net, real streams, engine and run folder."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.network import NetworkConfig
from modelheir.data import open_splits
from modelheir.engine.evaluate import predict_model
from modelheir.engine.runtime import Runtime
from modelheir.engine.stages import run_plan
from modelheir.methods import METHODS
from modelheir.methods.given.parts import Parts
from modelheir.models import build
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import save_weights

DATA = "synthetic:n=96,classes=3,size=8"
FIT = FitConfig(epochs=2, batch_size=16, optimizer="sgd", lr=0.05, schedule="cosine")


class Rows(list):
    """A log in memory."""

    write = list.append

    def rewind(self, stage, epoch):
        self[:] = [row for row in self if row["stage"] != stage or row["epoch"] < epoch]


class Quiet:
    """Progress that can stop the run after some steps."""

    def __init__(self, stop_after=None):
        self.left = stop_after

    def stage(self, name, steps, done=0):
        pass

    def note(self, text):
        pass

    def advance(self, images):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


class World:
    """Parts, a trained old model on disk, and a way to run a method."""

    def __init__(self, tmp_path):
        self.tmp_path, self.runtime, self.fit = tmp_path, Runtime("cpu"), FIT
        self.old = self.save_model("old", seed=5)

    def save_model(self, name, *, seed=5, model="mlp", classes=None, **network):
        """Write an untrained run folder that ``run:`` reads, and return its spec."""
        splits = open_splits(DATA, InputConfig())
        made = build(
            model,
            classes=classes or splits["train"].classes,
            image_size=8,
            config=NetworkConfig(**network),
            seed=seed,
        )
        folder = RunFolder(self.tmp_path / name)
        write_json(folder.model, made.spec)
        save_weights(folder.weights, made.state_dict())
        return f"run:{folder.path}"

    def parts(self, *, inputs=None, fit=None, old=None, model="mlp", seed=1, rule="by-name", **network):
        """Return parts over the synthetic data."""
        inputs = inputs or InputConfig(mirror=True)

        def predict(net, stream, features=False):
            return predict_model(net, stream, self.runtime, features=features)

        return Parts(
            splits=open_splits(DATA, inputs),
            inputs=inputs,
            network=NetworkConfig(**network),
            fit=fit or self.fit,
            model=model,
            asked=model,
            old=(self.old,) if old is None else tuple(old),
            old_weights=(),
            class_rule=rule,
            seed=seed,
            init_seed=seed,
            data_seed=seed,
            device=torch.device("cpu"),
            rank=0,
            world=1,
            predict=predict,
        )

    def config(self, name, **settings):
        """Return a method's config with some fields replaced; ``a__b`` reaches into groups."""
        config = METHODS[name].config()
        for key, value in settings.items():
            config = _replaced(config, key.split("__"), value)
        return config

    def run(self, name, folder, *, parts=None, stop_after=None, log=None, **settings):
        """Train a method for real and return its stages' results."""
        parts = parts or self.parts()
        return run_plan(
            METHODS[name].plan(self.config(name, **settings), parts),
            RunFolder(self.tmp_path / folder),
            runtime=self.runtime,
            fit_config=parts.fit,
            seed=parts.seed,
            log=Rows() if log is None else log,
            progress=Quiet(stop_after),
        )


def _replaced(config, path, value):
    if len(path) > 1:
        value = _replaced(getattr(config, path[0]), path[1:], value)
    return dataclasses.replace(config, **{path[0]: value})


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def rows():
    return Rows


Draw = Callable[..., Tensor]


@pytest.fixture
def draw() -> Draw:
    """Return a function that draws standard normal tensors, the same in every run."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
        return (torch.randn(*shape, generator=generator) * scale).to(dtype)

    return normal


@pytest.fixture
def log_softmax() -> Callable[[np.ndarray], np.ndarray]:
    """Return NumPy's log-softmax of rows, in float64."""

    def rows(logits: np.ndarray) -> np.ndarray:
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    return rows
