"""T-11: two processes with half of each batch train as one does, through the engine (gloo on the CPU)."""

import pytest

from modelheir.runs.tensors import load_weights

WORKER = """
import dataclasses, sys
from pathlib import Path
import numpy as np
import torch
from torch import nn
from modelheir.config.fit import FitConfig
from modelheir.data.streams.vectors import vector_stream
from modelheir.data.vectors import VectorSet
from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.objective.meta import FeedbackConfig, MetaConfig, MetaCoTraining, MetaPseudoLabels, MutualFeedbackConfig
from modelheir.objective.meta import MetaPseudoLabelsConfig, TargetConfig
from modelheir.plans import Stage, Task
from modelheir.runs.folder import RunFolder

runtime = Runtime("cpu")
rng = np.random.default_rng(0)
WIDTHS = (5, 7, 4)
centres = [rng.standard_normal((3, width)) for width in WIDTHS]

def vectors(count, known, views):
    labels = rng.integers(0, 3, count)
    found = tuple(centres[v][labels] + rng.standard_normal((count, WIDTHS[v])) for v in views)
    rows = np.arange(count)[:, None].repeat(len(views), 1)
    ids = np.array([f"{known}{number}" for number in range(count)])
    some = np.where(rng.random(count) < (0.8 if known == "some" else 1), labels, -1) if known else np.full(count, -1)
    return VectorSet("toy", ("a", "b", "c"), ids, some, found, rows)

def stream(some, size):
    return vector_stream(some, batch_size=size, train=True, seed=4, rank=runtime.rank, world=runtime.world)

def head(width):
    return nn.Sequential(nn.Linear(width, 6), nn.Tanh(), nn.Linear(6, 3))

class Log(list):
    write = list.append
    def rewind(self, stage, epoch): pass

class Progress:
    def stage(self, *a): pass
    advance = note = epoch = stage
    def close(self): pass

usual, prior = MetaConfig(), torch.full((3,), 1 / 3)
targets = TargetConfig(confidence=0.4, average_decay=0.9)
cases = {
    "exact": MetaConfig(targets, MutualFeedbackConfig("exact")),
    "dot": MetaConfig(targets, MutualFeedbackConfig("dot", 1.0), accumulate=2),
    "difference": MetaConfig(dataclasses.replace(targets, kind="argmax"), MutualFeedbackConfig("difference", 1.0)),
    "mpl": MetaPseudoLabelsConfig(targets, FeedbackConfig("exact")),
}
for name, config in cases.items():
    config = dataclasses.replace(config, collapse_below=0.0)
    torch.manual_seed(0)
    views = (0,) if name == "mpl" else (0, 1, 2)
    streams = {
        "unlabelled": stream(vectors(48, "", views), 16), "train": stream(vectors(24, "some", views), 8)
    }
    if name == "mpl":
        modules = {"teacher": head(5), "student": head(5)}
        update = MetaPseudoLabels(modules["teacher"], modules["student"], config, prior=prior)
    else:
        modules = {f"view_{v}": head(WIDTHS[v]) for v in views}
        update = MetaCoTraining(modules, config, prior=prior)
    task = Task(
        modules, streams, update=update, optimizers={one: (one,) for one in modules}, publish="",
        state={"meta": update},
    )
    run_plan([Stage("train", lambda _: task)], RunFolder(Path(sys.argv[1], name)), runtime=runtime,
             fit_config=FitConfig(epochs=2, optimizer="sgd", lr=0.2, batch_size=16, clip_norm=1.0),
             seed=0, log=Log(), progress=Progress())
"""


@pytest.mark.distributed
def test_two_processes_equal_one(tmp_path, copies):
    for count, name in ((1, "one"), (2, "two")):
        done = copies.program(WORKER, tmp_path / name, world=count)
        assert done.returncode == 0, done.stderr
    for case in ("exact", "dot", "difference", "mpl"):
        one, two = (
            load_weights(tmp_path / count / case / "stages" / "00_train" / "weights.safetensors")
            for count in ("one", "two")
        )
        assert len(one) == (8 if case == "mpl" else 12)
        for key, value in one.items():
            assert (value - two[key]).abs().max() < 2e-5, (case, key)
