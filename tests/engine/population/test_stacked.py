"""The loop over a stack: members end apart, an interruption changes no bit, and what cannot stack is told."""

import math
import threading

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.checks import InputError
from modelheir.config.fit import SnapshotConfig
from modelheir.engine import snapshots
from modelheir.engine.population import stacked
from modelheir.engine.population.members import Members
from modelheir.engine.population.stack import Stack
from modelheir.inference.runtime import Runtime
from modelheir.plans import Grid
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import load_weights
from modelheir.types import LossTerms


def test_the_stack_shrinks_where_members_end(grids, toy, tmp_path, monkeypatch):
    sizes, place = [], Stack.place
    monkeypatch.setattr(Stack, "place", lambda stack, members: (sizes.append(len(members)), place(stack, members))[1])
    done = grids.run(tmp_path, "stacked")
    ends = sorted(row["epochs"] for row in grids.table(done))
    expected = [sum(end >= epoch for end in ends) for epoch in sorted({1, *(end + 1 for end in ends[:-1])})]
    assert sizes == [size for size in expected if size]
    assert len(sizes) > 1


@pytest.mark.parametrize("stop_after", [1, 7, 19, 27])
def test_a_stack_goes_on_to_the_same_bits(stop_after, grids, toy, tmp_path):
    """With dropout, whose draws are the stack's; before, between and after the ends of members."""
    settings = [{**one, "dropout": 0.25} for one in grids.settings]
    straight = grids.run(tmp_path / "a", grid=grids.grid(settings, "stacked"), log=(rows := toy.rows()))
    again = toy.rows()
    stop = {"stop_after": stop_after, "log": again}
    with pytest.raises(toy.stopped):
        grids.run(tmp_path / "b", grid=grids.grid(settings, "stacked", save_every_epochs=1), **stop)
    resumed = grids.run(tmp_path / "b", grid=grids.grid(settings, "stacked"), log=again)
    assert grids.table(straight) == grids.table(resumed)
    assert toy.equal(straight.weights("model"), resumed.weights("model"))
    key = lambda row: (row["epoch"], row["stage"])  # noqa: E731
    assert sorted(toy.same_rows(rows), key=key) == sorted(toy.same_rows(again), key=key)


def test_streams_that_are_one_object_are_read_once(grids, toy, tmp_path):
    asked, shared = [], grids.stream(5)
    epoch = shared.epoch
    shared.epoch = lambda number, start=0: (asked.append(number), epoch(number, start))[1]

    def make_task(setting):
        task = grids.task(setting)
        task.streams = {"train": shared}
        return task

    one = grids.run(tmp_path / "a", grid=Grid(grids.settings, make_task, share=True, runner="stacked"))
    epochs = max(row["epochs"] for row in grids.table(one))
    assert asked == list(range(epochs))
    assert grids.table(one) == grids.table(grids.run(tmp_path / "b", "stacked"))  # each with a stream like it


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, ""),
        ({"accumulate": 2}, "fit.accumulate = 2"),
        ({"precision": "bf16"}, "fit.precision = bf16"),
        ({"compile": True}, "fit.compile"),
    ],
)
def test_what_cannot_be_stacked_is_told(more, said, grids, notes, toy, tmp_path):
    members = make_members(grids, notes, toy, tmp_path, lambda setting: grids.task(setting, **more))
    found = stacked.refuse(members, list(members))
    assert found == (f"a member has {said}" if said else "")


def files_of(result):
    """Return the snapshots and checkpoints of a grid, by name."""
    found = {one.path.name: one.weights("model") for one in result.snapshots()}
    found |= {path.parent.name: load_weights(path) for path in result.folder.glob("checkpoints/*/weights.safetensors")}
    return found


@pytest.mark.parametrize("stop_after", [None, 1, 7, 19, 27])
def test_snapshots_and_checkpoints_are_those_of_separate_training(stop_after, grids, toy, tmp_path):
    """Of the best member, whose end is among them; an interruption changes none of them."""
    kept = {"snapshots": SnapshotConfig(every_steps=2, start_epoch=1), "checkpoint_every_epochs": 2}
    kept |= {"save_every_epochs": 1}
    alone = grids.run(tmp_path / "a", grid=grids.grid(grids.settings, "sequential", **kept))
    grid = grids.grid(grids.settings, "stacked", **kept)
    if stop_after:
        with pytest.raises(toy.stopped):
            grids.run(tmp_path / "b", grid=grid, stop_after=stop_after)
        assert not [one for one in threading.enumerate() if one.name == "snapshots"]
    found, expected = files_of(grids.run(tmp_path / "b", grid=grid)), files_of(alone)
    epochs = alone.describe["grid"]["members"][alone.describe["grid"]["chosen"]]["epochs"]
    assert list(found) == list(expected)
    assert [one.step for one in alone.snapshots()] == sorted({*range(6, 5 * epochs + 1, 2), 5 * epochs})
    assert {f"epoch_{epoch:04d}" for epoch in range(0, epochs + 1, 2)} < set(found)
    for name, weights in expected.items():
        for key, value in weights.items():
            torch.testing.assert_close(found[name][key], value, rtol=0, atol=1e-11)


def test_a_snapshot_that_cannot_be_written_ends_a_stack(grids, tmp_path, monkeypatch):
    def full(path, weights, about):
        raise InputError("the disk is full")

    monkeypatch.setattr(snapshots, "save_weights", full)
    with pytest.raises(InputError, match="the disk is full"):
        grids.run(tmp_path, grid=grids.grid(grids.settings, "stacked", snapshots=SnapshotConfig(every_epochs=1)))
    assert not [one for one in threading.enumerate() if one.name == "snapshots"]


def test_members_that_are_not_alike_cannot_be_stacked(grids, notes, toy, tmp_path):
    def wide(setting):
        return grids.task(setting, hidden=8 if setting["lr"] == 1e-2 else 9)

    members = make_members(grids, notes, toy, tmp_path, wide)
    assert stacked.refuse(members, list(members)) == "the networks have weights of different shapes"
    assert stacked.refuse(members, list(members)[:2]) == ""
    assert stacked.refuse(members, list(members)[:1]) == "one member is no stack"
    long = make_members(grids, notes, toy, tmp_path, lambda setting: longer(grids, toy, setting))
    assert stacked.refuse(long, list(long)) == "members have data of different sizes"
    members.runtime.world = 2
    assert stacked.refuse(members, list(members)) == "the run is on 2 processes"


def longer(grids, toy, setting):
    task = grids.task(setting)
    if setting["lr"] == 1e-3:
        task.streams = {"train": toy.make_stream(200)}
    return task


def make_members(grids, notes, toy, tmp_path, make_task):
    grid = Grid(grids.settings, make_task, share=True)
    return Members(grid, RunFolder(tmp_path).stage(0, "grid"), Runtime("cpu"), grids.fit, 3, toy.rows(), notes)


def test_steps_on_trial_take_time_and_leave_nothing(grids, notes, toy, tmp_path):
    members = make_members(grids, notes, toy, tmp_path, grids.task)
    assert 0 < stacked.try_steps(members, list(members), 8, math.inf) < 60  # more steps than an epoch has
    assert list(tmp_path.rglob("*.*")) == []


def test_a_trial_ends_where_it_is_lost(grids, notes, toy, tmp_path, monkeypatch):
    """Two steps to warm up, and one more takes longer than eight may."""
    steps, step = [], Stack.step
    monkeypatch.setattr(Stack, "step", lambda stack, *a: (steps.append(1), step(stack, *a))[1])
    members = make_members(grids, notes, toy, tmp_path, grids.task)
    assert stacked.try_steps(members, list(members), 8, 1e-9) > 1e-9
    assert len(steps) == 3


def test_schedules_clipping_averages_and_further_streams_are_those_of_separate_training(grids, toy, tmp_path):
    """One objective over two streams, the second shorter than an epoch, and a network that comes in evaluation mode."""

    def make_task(setting):
        task = grids.task(setting, schedule="cosine", clip_norm=0.05, ema_decay=0.5, evaluate_every=2)
        model = task.modules["model"].eval()
        task.streams = {**task.streams, "more": toy.make_stream(60, seed=4, shift=0.5)}

        def objective(batches, step):
            losses = {name: cross_entropy(model(one.inputs).logits, one.labels) for name, one in batches.items()}
            return LossTerms(losses, {"at": torch.tensor(float(step.epoch)), "largest": losses["more"].amax()})

        task.objective = objective
        return task

    logs = {}
    for runner in ("sequential", "stacked"):
        grid = Grid(grids.settings, make_task, share=True, runner=runner)
        done = grids.run(tmp_path / runner, grid=grid, log=(rows := toy.rows()))
        rows.sort(key=lambda row: (row["stage"], row["epoch"]))
        logs[runner] = grids.table(done), done.weights("model"), rows
    (table, weights, rows), (stacked_table, stacked_weights, stacked_rows) = logs.values()
    assert table == stacked_table
    assert all(torch.allclose(stacked_weights[key], value, rtol=0, atol=1e-11) for key, value in weights.items())
    assert len(rows) == len(stacked_rows)
    for one, other in zip(toy.same_rows(rows), toy.same_rows(stacked_rows), strict=True):
        assert {**other, "stage": 0} == pytest.approx({**one, "stage": 0}, abs=1e-6)
        assert one["stage"] == other["stage"]
    assert len({row["lr"] for row in rows if row["stage"] == "grid/0"}) > 1
