"""The loop: what it refuses, what it keeps, and that splitting the work does not change the numbers."""

import dataclasses

import pytest
import torch

from modelheir.checks import InputError
from modelheir.models.teachers.freeze import freeze, state_hash
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms


def test_accumulation_gives_the_numbers_of_the_whole_batch(toy, tmp_path):
    whole = toy.weights(toy.run(toy.plain(), tmp_path / "a"))
    parts = toy.weights(toy.run(toy.plain(), tmp_path / "b", accumulate=4))
    for key in whole:
        torch.testing.assert_close(whole[key], parts[key], atol=1e-6, rtol=1e-5)
    with pytest.raises(InputError, match=r"fit.accumulate = 3: must divide the 20 images"):
        toy.run(toy.plain(), tmp_path / "c", accumulate=3)


def test_best_weights_are_those_of_the_best_epoch(toy, tmp_path):
    rows = toy.rows()
    kept = toy.run(toy.plain(), tmp_path, log=rows, keep="best", lr=2.0, epochs=6)["train"]
    assert kept.metrics["val/accuracy"] == max(row["val/accuracy"] for row in rows)


def test_the_watcher_is_told_what_each_epoch_came_to(toy, tmp_path):
    rows, told = toy.rows(), []
    watcher = toy.quiet()
    watcher.epoch = told.append
    toy.run(toy.plain(), tmp_path, log=rows, progress=watcher, epochs=3, evaluate_every=2)
    assert [row["loss"] for row in told] == [row["loss"] for row in rows]
    assert ["val/accuracy" in row for row in told] == [False, True, True]


def test_average_of_weights_follows_its_recursion(toy, tmp_path):
    seen, net = [], toy.net(seed=1)
    plan = toy.plain(net=net)
    task = plan[0].prepare({})

    def objective(batches, step):
        seen.append(net.head.weight.detach().clone())
        return task.objective(batches, step)

    watched = [Stage("train", lambda done: dataclasses.replace(task, objective=objective))]
    kept = toy.weights(toy.run(watched, tmp_path, ema_decay=0.9, epochs=2))
    seen.append(None)
    average = seen[0].clone()
    straight = toy.run(toy.plain(), tmp_path / "raw", epochs=2)
    for value in [*seen[1:-1], toy.weights(straight)["head.weight"]]:
        average = 0.9 * average + 0.1 * value
    torch.testing.assert_close(kept["head.weight"], average, atol=1e-6, rtol=1e-5)


def test_references_never_change(toy, tmp_path):
    teacher = freeze(torch.nn.Sequential(torch.nn.Linear(10, 3), torch.nn.BatchNorm1d(3)))
    before = state_hash(teacher)
    model = toy.net(seed=1)

    def prepare(done):
        def objective(batches, step):
            batch = batches["train"]
            return LossTerms({"match": (model(batch.inputs).logits - teacher(batch.inputs)).square().mean()})

        return Task({"model": model}, {"train": toy.make_stream()}, objective, references={"teacher": teacher})

    toy.run([Stage("train", prepare)], tmp_path)
    assert state_hash(teacher) == before


def test_a_stage_without_streams_keeps_and_evaluates_its_modules(toy, tmp_path):
    model = toy.net(seed=1)
    task = Task({"model": model}, {}, evaluate={"val": toy.make_stream(60, seed=8, train=False)})
    done = toy.run([Stage("blend", lambda _: task)], tmp_path)
    assert 0 <= done["blend"].metrics["val/accuracy"] <= 1
    assert torch.equal(done["blend"].weights("model")["head.weight"], model.head.weight)


@pytest.mark.parametrize("kind", ["sgd", "adamw", "adam", "rmsprop"])
def test_every_optimizer_learns_and_resumes(kind, toy, tmp_path):
    lr = 0.05 if kind == "sgd" else 0.01
    straight = toy.run(toy.plain(), tmp_path / "a", optimizer=kind, lr=lr, clip_norm=1.0)
    with pytest.raises(toy.stopped):
        toy.run(toy.plain(), tmp_path / "b", optimizer=kind, lr=lr, clip_norm=1.0, stop_after=8)
    resumed = toy.run(toy.plain(), tmp_path / "b", optimizer=kind, lr=lr, clip_norm=1.0)
    assert all(torch.equal(value, toy.weights(resumed)[key]) for key, value in toy.weights(straight).items())
    assert straight["train"].metrics["val/accuracy"] > 0.5


def test_bf16_trains(toy, tmp_path):
    assert toy.run(toy.plain(), tmp_path, precision="bf16")["train"].metrics["val/accuracy"] > 0.5
