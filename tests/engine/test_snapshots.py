"""Snapshots are the weights of their steps, whatever interrupts the training; few wait in memory for a slow disk."""

import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.fit import SnapshotConfig
from modelheir.engine import snapshots
from modelheir.models import adapters
from modelheir.plans import Stage
from modelheir.runs.snapshots import decode, encode, trained_names
from modelheir.runs.tensors import load_weights
from modelheir.subspace import Trajectory


def watched(toy, seen):
    """Plain training in 3 epochs of 5 steps that notes the weights before each step."""
    net = toy.net(seed=1)
    (stage,) = toy.plain(net=net)
    task = stage.prepare({})
    objective = task.objective

    def noting(batches, step):
        seen[step.number] = {key: value.clone() for key, value in net.state_dict().items()}
        return objective(batches, step)

    return [Stage("train", lambda done: dataclasses.replace(task, objective=noting))]


def steps(done):
    return [one.step for one in done["train"].snapshots()]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"every_steps": 4}, [0, 4, 8, 12, 15]),
        ({"every_epochs": 1}, [0, 5, 10, 15]),
        ({"every_epochs": 2, "every_steps": 7}, [0, 7, 10, 14, 15]),
        ({"per_epoch": 2}, [0, 2, 5, 7, 10, 12, 15]),
        ({"per_epoch": 3, "start_epoch": 2}, [10, 11, 13, 15]),
        ({"per_epoch": 9}, list(range(16))),
        ({"every_steps": 1, "start_epoch": 2}, [10, 11, 12, 13, 14, 15]),
        ({"every_steps": 2, "keep": 3}, [12, 14, 15]),
        ({"every_steps": 1, "start_epoch": 4}, []),
        ({}, []),
    ],
)
def test_they_are_the_weights_of_their_steps(settings, expected, toy, tmp_path):
    seen = {}
    done = toy.run(watched(toy, seen), tmp_path, snapshots=SnapshotConfig(**settings))
    seen[15] = toy.weights(done)
    assert steps(done) == expected
    for one in done["train"].snapshots():
        assert toy.equal(one.weights("model"), seen[one.step])
        assert one.path.is_file()
    if expected:
        with pytest.raises(InputError, match="holds no module 'other', only model"):
            done["train"].snapshots()[0].weights("other")


@pytest.mark.parametrize("stop_after", [3, 6, 9, 13])
@pytest.mark.parametrize("keep", [0, 3])
@pytest.mark.parametrize("dtype", ["fp32", "int8"])
def test_an_interrupted_training_leaves_the_same_snapshots(dtype, keep, stop_after, toy, tmp_path):
    settings = {"snapshots": SnapshotConfig(every_steps=1, keep=keep, dtype=dtype), "save_every_steps": 3}
    straight = toy.run(toy.plain(), tmp_path / "a", **settings)
    with pytest.raises(toy.stopped):
        toy.run(toy.plain(), tmp_path / "b", stop_after=stop_after, **settings)
    assert not [one for one in threading.enumerate() if one.name == "snapshots"]
    resumed = toy.run(toy.plain(), tmp_path / "b", **settings)
    assert steps(straight) == steps(resumed) == list(range(16))[-keep:]
    for one, other in zip(straight["train"].snapshots(), resumed["train"].snapshots(), strict=True):
        assert toy.equal(one.weights("model"), other.weights("model"))


def test_averaged_weights_in_half_precision(toy, tmp_path):
    asked = SnapshotConfig(every_epochs=3, start_epoch=3, dtype="bf16", weights="averaged")
    done = toy.run(toy.one(toy.two_streams), tmp_path, ema_decay=0.9, snapshots=asked)
    (one,) = done["train"].snapshots()
    for key, value in toy.weights(done).items():
        found = one.weights("model")[key]
        assert found.dtype == (torch.bfloat16 if value.is_floating_point() else value.dtype)
        assert torch.equal(found, value.to(found.dtype))
    with pytest.raises(InputError, match=r"fit.snapshots.weights = 'averaged' needs fit.ema_decay above 0"):
        toy.run(toy.one(toy.two_streams), tmp_path / "x", snapshots=asked)


def test_eight_bits_are_those_of_the_weights(toy, tmp_path):
    whole = toy.run(toy.one(toy.two_streams), tmp_path / "a", snapshots=SnapshotConfig(every_epochs=1))
    codes = toy.run(toy.one(toy.two_streams), tmp_path / "b", snapshots=SnapshotConfig(every_epochs=1, dtype="int8"))
    for one, other in zip(whole["train"].snapshots(), codes["train"].snapshots(), strict=True):
        expected, found = decode(encode(one.weights("model"))), other.weights("model")
        assert toy.equal(found, expected)
        assert {key: value.shape for key, value in found.items()} == {
            key: value.shape for key, value in one.weights("model").items()
        }
        assert torch.equal(found["body.1.num_batches_tracked"], one.weights("model")["body.1.num_batches_tracked"])


def frozen_part(toy):
    """A task whose first layer stays and whose head is a weight plus one of low rank; and its plain network."""
    task = toy.two_streams()
    model = task.modules["model"]
    model.body[0].requires_grad_(False)
    adapters.add_low_rank(model.head, rank=1, seed=0)
    return task


@pytest.mark.parametrize("parameters", ["all", "trainable"])
def test_a_file_names_what_was_trained_and_may_hold_it_alone(parameters, toy, tmp_path):
    """Neither frozen weights nor buffers count; a weight that is a function of others counts by its plain name."""
    asked = SnapshotConfig(every_epochs=1, parameters=parameters)
    done = toy.run([Stage("train", lambda _: frozen_part(toy))], tmp_path, snapshots=asked)
    start, *_, end = done["train"].snapshots()
    moving = {"body.1.weight", "body.1.bias", "head.weight", "head.bias"}
    assert {name.removeprefix("model/") for name in trained_names(end.path)} == moving
    assert set(end.weights("model")) == (moving if parameters == "trainable" else set(toy.normed().state_dict()))
    for key in moving:
        assert not torch.equal(start.weights("model")[key], end.weights("model")[key])
        assert torch.equal(end.weights("model")[key], toy.weights(done)[key])


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "int8"])
def test_a_trajectory_is_of_what_was_trained_whatever_the_type(dtype, toy, tmp_path):
    """Any block of columns is that of the weights as they are read one by one."""
    asked = SnapshotConfig(every_epochs=1, dtype=dtype)
    done = toy.run([Stage("train", lambda _: frozen_part(toy))], tmp_path, snapshots=asked)
    taken = done["train"].snapshots()
    rows = Trajectory([one.path for one in taken])
    assert set(rows.names) == {"body.1.weight", "body.1.bias", "head.weight", "head.bias"}
    whole = [torch.cat([one.weights("model")[name].float().flatten() for name in rows.names]).numpy() for one in taken]
    np.testing.assert_array_equal(rows.block(0, rows.width), whole)
    for start, stop in ((0, 1), (3, 17), (20, 20), (18, rows.width)):
        np.testing.assert_array_equal(rows.block(start, stop), np.stack(whole)[:, start:stop])


def test_a_training_that_ends_early_leaves_its_end(toy, tmp_path):
    """Also where the kept weights are better ones from before."""
    settings = {"keep": "best", "patience": 1, "lr": 1e-7, "epochs": 9, "evaluate_every": 1, "schedule": "constant"}
    done = toy.run(toy.plain(), tmp_path, snapshots=SnapshotConfig(every_epochs=5), **settings)
    end = max(steps(done))
    assert steps(done) == [0, end]
    assert end < 25
    assert not toy.equal(done["train"].snapshots()[-1].weights("model"), toy.weights(done))


def test_a_stage_shorter_than_the_first_snapshot_says_so(toy, tmp_path):
    notes = []
    progress = toy.quiet()
    progress.note = notes.append
    toy.run(toy.plain(), tmp_path, progress=progress, snapshots=SnapshotConfig(every_epochs=1, start_epoch=4))
    assert notes == ["train: no snapshots, as it ends before fit.snapshots.start_epoch"]


def held_up(toy, path, monkeypatch, write, look, **settings):
    """Train in 15 steps while ``write`` stands in for the writing of a file; ``look`` is called before each step."""
    monkeypatch.setattr(snapshots, "save_weights", write)
    (stage,) = toy.plain()
    task = stage.prepare({})
    objective = task.objective

    def noting(batches, step):
        look(step.number)
        return objective(batches, step)

    plan = [Stage("train", lambda _: dataclasses.replace(task, objective=noting))]
    return toy.run(plan, path, **settings)


def test_the_loop_goes_on_while_a_file_is_written_and_a_resume_point_waits(toy, tmp_path, monkeypatch):
    """The first file is held up until nine steps are done: no step waits for it, nor for the one of the fifth step."""
    gate, reached, write = threading.Event(), [], snapshots.save_weights

    def slow(path, weights, about):
        reached.append(path.name)
        assert gate.wait(60)
        write(path, weights, about)

    def look(number):
        if number == 9:
            assert reached == ["step_00000000.safetensors"]
            assert not (tmp_path / "stages" / "00_train" / "resume.safetensors").exists()
            gate.set()

    settings = {"save_every_epochs": 3, "snapshots": SnapshotConfig(every_steps=5)}
    done = held_up(toy, tmp_path, monkeypatch, slow, look, **settings)
    assert steps(done) == [0, 5, 10, 15]


def test_a_disk_slower_than_the_training_holds_it_up_and_memory_does_not_grow(toy, tmp_path, monkeypatch):
    """Never more than two copies are taken and not yet written, and at times there are two."""
    held, write = [], snapshots.save_weights

    def slow(path, weights, about):
        time.sleep(0.03)
        write(path, weights, about)

    def look(number):
        written = len(list((tmp_path / "slow" / "stages" / "00_train" / "snapshots").glob("step_*")))
        held.append(number + 1 - written)  # before step n, those of steps 0 to n are taken

    settings = {"snapshots": SnapshotConfig(every_steps=1)}
    done = held_up(toy, tmp_path / "slow", monkeypatch, slow, look, **settings)
    assert max(held) == 2
    monkeypatch.undo()
    fast = toy.run(toy.plain(), tmp_path / "fast", **settings)
    assert steps(done) == list(range(16))
    for one, other in zip(done["train"].snapshots(), fast["train"].snapshots(), strict=True):
        assert toy.equal(one.weights("model"), other.weights("model"))


def test_a_write_that_fails_while_the_loop_waits_for_it_ends_the_training(toy, tmp_path, monkeypatch):
    done = []

    def full(path, weights, about):
        time.sleep(0.3)
        raise InputError("the disk is full")

    with pytest.raises(InputError, match="the disk is full"):
        held_up(toy, tmp_path, monkeypatch, full, done.append, snapshots=SnapshotConfig(every_steps=1))
    assert done == [0, 1]  # the copies of both are in memory, and there is no room for a third
    assert not [one for one in threading.enumerate() if one.name == "snapshots"]


def test_a_snapshot_that_cannot_be_written_ends_the_training(toy, tmp_path, monkeypatch):
    def full(path, weights, about):
        raise InputError("the disk is full")

    monkeypatch.setattr(snapshots, "save_weights", full)
    with pytest.raises(InputError, match="the disk is full"):
        toy.run(toy.plain(), tmp_path, snapshots=SnapshotConfig(every_steps=1))
    assert not [one for one in threading.enumerate() if one.name == "snapshots"]
    assert not (tmp_path / "stages" / "00_train" / "result.json").exists()


def test_a_kill_leaves_no_torn_snapshot(toy, tmp_path, monkeypatch):
    """A write that fails half way leaves no file of its name."""
    from modelheir.runs import tensors

    def half(flat, path, metadata=None):
        with Path(path).open("wb") as handle:
            handle.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensors, "save_file", half)
    with pytest.raises((InputError, OSError)):
        toy.run(toy.plain(), tmp_path, snapshots=SnapshotConfig(every_steps=1))
    monkeypatch.undo()
    assert not list(tmp_path.rglob("step_*.safetensors"))
    done = toy.run(toy.plain(), tmp_path, snapshots=SnapshotConfig(every_steps=5))
    assert load_weights(done["train"].snapshots()[0].path)
