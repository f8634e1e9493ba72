"""A stage that is killed between two steps goes on to the same weights, through the engine and its files."""

import numpy as np
import pytest
import torch

from modelheir.config.fit import FitConfig
from modelheir.data.streams.vectors import vector_stream
from modelheir.data.vectors import VectorSet
from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.objective.meta import MetaConfig, MetaCoTraining, TargetConfig
from modelheir.objective.meta.settings import MutualFeedbackConfig
from modelheir.plans import Stage, Task
from modelheir.runs.folder import RunFolder

WIDTHS = (5, 7)


class Killed(Exception):
    """Stands for a kill between two steps."""


class Progress:
    """Says nothing, and stops the run after some steps, if asked to."""

    def __init__(self, stop_after=None):
        self.left = stop_after

    def stage(self, *told):
        pass

    note = epoch = close = stage

    def advance(self, images):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Killed


def stream(count, size, *, known):
    rng = np.random.default_rng(count)
    labels = rng.integers(0, 3, count) if known else np.full(count, -1)
    rows = np.arange(count)[:, None].repeat(len(WIDTHS), 1)
    views = tuple(rng.standard_normal((count, width)) for width in WIDTHS)
    some = VectorSet("toy", ("a", "b", "c"), np.array([f"{n}" for n in range(count)]), labels, views, rows)
    return vector_stream(some, batch_size=size, train=True, seed=4)


@pytest.mark.parametrize("form", ["exact", "difference"])
def test_a_resumed_stage_equals_a_straight_one(meta, rows, tmp_path, form):
    targets = TargetConfig(kind="sampled", confidence=0.3, average_decay=0.8)
    config = MetaConfig(targets, MutualFeedbackConfig(form), collapse_below=1e-3)

    def run(name, stop_after=None):
        heads = {name: head.float() for name, head in meta.heads(WIDTHS, dropout=0.3, norm=True).items()}
        update = MetaCoTraining(heads, config, prior=meta.prior)
        streams = {"unlabelled": stream(50, 10, known=False), "train": stream(18, 6, known=True)}
        optimizers = {one: (one,) for one in heads}
        task = Task(heads, streams, update=update, optimizers=optimizers, publish="", state={"meta": update})
        fit = FitConfig(epochs=3, lr=0.01, optimizer="adam", batch_size=10, clip_norm=1.0, save_every_steps=2)
        done = run_plan(
            [Stage("train", lambda _: task)],
            RunFolder(tmp_path / name),
            runtime=Runtime("cpu"),
            fit_config=fit,
            seed=1,
            log=rows(),
            progress=Progress(stop_after),
        )
        return {one: done["train"].weights(one) for one in heads}, update.state_dict()

    straight, state = run("straight")
    for stop_after in (3, 6):
        with pytest.raises(Killed):
            run("resumed", stop_after)
    resumed, other = run("resumed")
    for name, found in straight.items():
        assert all(torch.equal(value, resumed[name][key]) for key, value in found.items())
    assert all(torch.equal(value, other[key]) for key, value in state.items())
    assert state["epoch"] == 2
