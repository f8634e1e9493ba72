"""What an adversary tries on the loop: kills at bad moments, bad numbers late, half precision, misuse."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import modelheir.engine.fit as loop
from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.inference.runtime import Runtime
from modelheir.plans import Task
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import load_state
from modelheir.types import LossTerms


@pytest.fixture
def unwatched(monkeypatch):
    """Let the loop run as on a GPU, where losses are not looked at in every step."""

    def add(self, epoch, found, total, share):
        self.now.tally.add(found, total, share)

    monkeypatch.setattr(loop.Fit, "_add", add)


def test_a_resume_point_inside_an_epoch_never_holds_a_spoiled_state(toy, tmp_path, unwatched):
    with pytest.raises(InputError, match=r"the loss is not finite at epoch 2, step 2 of 5") as caught:
        toy.run(toy.one(lambda: toy.two_streams(spoil_at=6)), tmp_path, epochs=4, save_every_steps=1)
    assert "The last good state is kept" in str(caught.value)
    state = load_state(tmp_path / "stages" / "00_train" / "resume.safetensors")
    assert state["number"] == 6
    assert all(value.isfinite().all() for value in state["weights"].values())
    batch = list(toy.make_stream(107).epoch(1))[1]
    assert ", ".join(f"0/{i}" for i in batch.index.tolist()[:5]) in str(caught.value)


def test_losses_are_looked_at_inside_long_epochs(toy, tmp_path, unwatched, monkeypatch):
    monkeypatch.setattr(loop, "_LOOK_EVERY", 2)
    seen = []
    task = toy.two_streams(spoil_at=0)
    watched = dataclasses.replace(task, objective=lambda b, s: seen.append(s.number) or task.objective(b, s))
    with pytest.raises(InputError, match="epoch 1, step 1 of 5"):
        toy.run(toy.one(lambda: watched), tmp_path)
    assert seen == [0, 1]


def test_weights_that_are_not_finite_are_not_kept(toy, tmp_path):
    """The loss is finite in every step; a gradient of the last step of an epoch is not."""
    model = toy.net(seed=1)

    def objective(batches, step):
        batch = batches["train"]
        loss = cross_entropy(model(batch.inputs).logits, batch.labels)
        if step.number == 9:
            bias = model.head.bias
            loss = loss + (bias - bias.detach()).abs().sum().sqrt()  # 0, and its gradient is 0 / 0
        return LossTerms({"task": loss})

    task = Task({"model": model}, {"train": toy.make_stream()}, objective)
    with pytest.raises(InputError, match="a weight is not finite at epoch 2, step 5 of 5"):
        toy.run(toy.one(lambda: task), tmp_path)
    state = load_state(tmp_path / "stages" / "00_train" / "resume.safetensors")
    assert state["number"] == 5
    assert all(value.isfinite().all() for value in state["weights"].values())


@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9, "clip_norm": 1.0}, {"optimizer": "adamw"}])
def test_a_step_never_reads_from_the_device(settings, toy, tmp_path):
    """Tensors on ``meta`` have no values, so a read by the host is an error; a GPU would wait for it."""
    runtime, fit = Runtime("meta"), FitConfig(batch_size=20, lr=0.1, **settings)
    model = toy.normed()
    stream = toy.make_stream()
    task = Task(
        {"model": model},
        {"train": stream},
        lambda b, _: LossTerms({"task": cross_entropy(model(b["train"].inputs).logits, b["train"].labels)}),
    )
    run = loop.Fit(task, RunFolder(tmp_path).stage(0, "train"), runtime, fit, 0, toy.rows(), toy.quiet())
    images, labels = torch.empty(20, 10, device="meta"), torch.empty(20, dtype=torch.int64, device="meta")
    batch = dataclasses.replace(next(stream.epoch(0)), inputs=images, labels=labels)
    for _ in range(2):
        run._one(0, {"train": batch})
        run.now.number += 1
    with pytest.raises(RuntimeError, match="meta"):  # the look itself does read
        run._check(0)


def test_references_are_evaluated_without_dropout(toy, tmp_path):
    helper = nn.Dropout(0.9)
    model, modes = toy.net(seed=1), []

    def predict(batch):
        modes.append(helper.training)
        return model(batch.inputs)

    task = Task(
        {"model": model},
        {"train": toy.make_stream()},
        lambda b, _: LossTerms({"t": cross_entropy(model(helper(b["train"].inputs)).logits, b["train"].labels)}),
        references={"helper": helper},
        evaluate={"val": toy.make_stream(60, seed=8, train=False)},
        predict=predict,
    )
    toy.run(toy.one(lambda: task), tmp_path, epochs=1)
    assert set(modes) == {False}
    assert helper.training


def test_a_buffer_that_a_module_replaces_is_the_one_saved(toy, tmp_path):
    class Counting(toy.normed):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            if self.training:
                self.seen = self.seen + 1
            return super().forward(x)

    model = Counting()
    task = Task(
        {"model": model},
        {"train": toy.make_stream()},
        lambda b, _: LossTerms({"t": cross_entropy(model(b["train"].inputs).logits, b["train"].labels)}),
    )
    assert toy.weights(toy.run(toy.one(lambda: task), tmp_path, epochs=2))["seen"] == 10


def test_values_that_only_some_steps_log(toy, tmp_path):
    """A mean is over all steps of the epoch, and a resumed epoch adds up to the same."""
    model = toy.net(seed=1)

    def task():
        def objective(batches, step):
            batch = batches["train"]
            terms = {"task": cross_entropy(model(batch.inputs).logits, batch.labels)}
            return LossTerms(terms | ({"late": torch.tensor(10.0)} if step.number % 5 >= 3 else {}))

        return Task({"model": model}, {"train": toy.make_stream()}, objective)

    rows = toy.rows()
    with pytest.raises(toy.stopped):
        toy.run(toy.one(task), tmp_path, log=rows, save_every_steps=1, stop_after=4)
    toy.run(toy.one(task), tmp_path, log=rows, save_every_steps=1)
    for row in rows:
        assert row["loss/late"] == pytest.approx(4.0)
        assert row["loss"] == pytest.approx(row["loss/task"] + 4.0, rel=1e-6)


def test_the_logged_rate_is_the_one_used(toy, tmp_path):
    rows = toy.rows()
    toy.run(toy.one(lambda: toy.two_streams()), tmp_path, log=rows, **{**toy.hard, "step_factor": 0.0, "epochs": 6})
    drop = next(i for i, row in enumerate(rows) if row["lr"] == 0)
    best = max(row["val/accuracy"] for row in rows[: drop - 1])
    assert rows[drop - 1]["val/accuracy"] <= best  # the epoch that did not rise still ran at the old rate
    assert all(row["lr"] == 0.05 for row in rows[:drop])


# half precision


def test_an_update_in_bf16_goes_on_with_the_weights_it_just_moved(toy, tmp_path):
    model, found = toy.net(seed=1), []
    model.body[2].p = 0.0

    def update(batches, step):
        batch = batches["train"]
        before = model(batch.inputs).logits
        loss = cross_entropy(before, batch.labels)
        step.backward(loss)
        step.apply()
        after = model(batch.inputs).logits.detach()
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            assert torch.equal(model(batch.inputs).logits, after)
        found.append((after - before).abs().max().item())
        return LossTerms({"task": loss.detach()})

    task = Task({"model": model}, {"train": toy.make_stream()}, update=update)
    toy.run(toy.one(lambda: task), tmp_path, epochs=1, precision="bf16", lr=1.0)
    assert min(found) > 0


# rates, averages, devices
