"""Stages that train in a plane, through the engine and its files: P-SGD is SGD, and a killed stage goes on the same."""

import pytest
import torch

from modelheir.config.fit import FitConfig
from modelheir.data import tensor_stream
from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.models.adapters import plain_state
from modelheir.objective.subspace import QuasiNewton, QuasiNewtonConfig
from modelheir.plans import Stage, Task
from modelheir.runs.folder import RunFolder

IDS = [str(number) for number in range(60)]


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


def run(folder, task, fit, log, stop_after=None):
    return run_plan(
        [Stage("train", lambda _: task)],
        RunFolder(folder),
        runtime=Runtime("cpu"),
        fit_config=fit,
        seed=1,
        log=log,
        progress=Progress(stop_after),
    )["train"].weights("model")


def stream(plane):
    batch = plane.batch(60)["train"]
    return tensor_stream(
        batch.inputs.float(), batch.labels, batch_size=12, train=True, seed=4, ids=IDS, classes=("a", "b", "c")
    )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_on_as_many_coordinates_as_weights_is_sgd(plane, rows, tmp_path, momentum):
    """V-4: P is square and orthogonal; step by step, since snapshots are compared too."""
    fit = FitConfig(epochs=2, optimizer="sgd", lr=0.3, momentum=momentum, weight_decay=0.0, schedule="linear")
    found = {}
    for name in ("plain", "plane"):
        model = plane.net(norm=False, dropout=0.2).float()
        if name == "plane":
            width = sum(one.numel() for one in model.parameters())
            plane.make(model, plane.orthonormal(width, width))
        seen = []

        def objective(batches, step, model=model, seen=seen):
            seen.append({key: value.clone() for key, value in plain_state(model).items()})
            return plane.of_net(model)(batches, step)

        task = Task({"model": model}, {"train": stream(plane)}, objective)
        seen.append(run(tmp_path / name, task, fit, rows()))
        found[name] = seen
    assert len(found["plain"]) == 11
    for one, other in zip(found["plain"], found["plane"], strict=True):
        for key, value in one.items():
            torch.testing.assert_close(other[key], value, rtol=1e-4, atol=3e-6)
    moved = {key: (found["plain"][-1][key] - value).abs().max() for key, value in found["plain"][0].items()}
    assert min(moved.values()) > 1e-3


@pytest.mark.parametrize(
    "config",
    [
        QuasiNewtonConfig(pairs="same"),
        QuasiNewtonConfig(alpha=0.01, accumulate=2),
        QuasiNewtonConfig(compat="latest", alpha=0.01),
    ],
    ids=["same", "successive", "latest"],
)
def test_a_resumed_stage_equals_a_straight_one(plane, rows, tmp_path, config):
    """Q-18: B, c, s, the momentum outside and the counts come back, and with them every bit of the weights."""

    def train(name, stop_after=None):
        model = plane.net(dropout=0.3).float()
        width = sum(one.numel() for one in model.parameters())
        z = plane.make(model, plane.orthonormal(4, width))
        update = QuasiNewton(model, z, plane.of_net(model), config)
        task = Task({"model": model}, {"train": stream(plane)}, update=update, state={"subspace": update})
        fit = FitConfig(epochs=3, optimizer="sgd", lr=1.0, batch_size=12, save_every_steps=2, schedule="linear")
        return run(tmp_path / name, task, fit, rows(), stop_after), update

    straight, update = train("straight")
    for stop_after in (3, 6):
        with pytest.raises(Killed):
            train("resumed", stop_after)
    resumed, other = train("resumed")
    assert all(torch.equal(value, resumed[key]) for key, value in straight.items())
    assert update.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in update.state_dict().items())
    assert update.steps == 15
    assert update.refused < 15


def test_the_log_says_what_a_step_did(plane, rows, tmp_path):
    model = plane.net().float()
    z = plane.make(model, plane.orthonormal(4, sum(one.numel() for one in model.parameters())))
    update = QuasiNewton(model, z, plane.of_net(model), QuasiNewtonConfig(alpha=0.01))
    log = rows()
    task = Task({"model": model}, {"train": stream(plane)}, update=update, state={"subspace": update})
    run(tmp_path, task, FitConfig(epochs=2, optimizer="sgd", lr=1.0, schedule="constant"), log)
    row = log[-1]
    assert 0 < row["quasi_newton/step"] <= 1
    assert row["quasi_newton/trials"] >= 1
    assert row["quasi_newton/refused"] == 0
    assert row["quasi_newton/condition"] >= 1
    assert 0 < row["quasi_newton/plane_share"] < 1
    assert row["quasi_newton/passes"] == pytest.approx(1 + row["quasi_newton/trials"] / 3, rel=1e-5)
    assert 0 < row["train/accuracy"] <= 1
    assert row["loss/task"] == row["loss"] > 0
