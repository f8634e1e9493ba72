"""What an adversary tries on the loop: kills at bad moments, bad numbers late, half precision, misuse."""

import dataclasses
import gc
import math
import weakref

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import modelheir.engine.fit as loop
from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.engine.optim import Plateau, ema_update_, learning_rate, make_optimizer, peak_rate
from modelheir.engine.runtime import Runtime
from modelheir.engine.stages import run_plan
from modelheir.engine.step import EngineStep
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import load_state
from modelheir.types import LossTerms, Outputs, Stage, Task


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


def two_streams(toy, spoil_at=None):
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

    streams = {"labelled": toy.make_stream(107), "pool": toy.make_stream(66, seed=4, labelled=False)}
    return Task({"model": model}, streams, objective, evaluate={"val": toy.make_stream(60, seed=8, train=False)})


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


def same_rows(rows):
    return [{k: v for k, v in row.items() if k not in ("images_per_second", "data_seconds", "steps")} for row in rows]


@pytest.mark.parametrize("stop_after", [1, 4, 5, 8, 13])
def test_everything_at_once_resumes_to_the_same_bits(stop_after, toy, tmp_path):
    first, second = toy.rows(), toy.rows()
    straight = toy.run(one(lambda: two_streams(toy)), tmp_path / "a", log=first, **HARD)
    with pytest.raises(toy.stopped):
        toy.run(one(lambda: two_streams(toy)), tmp_path / "b", log=second, stop_after=stop_after, **HARD)
    resumed = toy.run(one(lambda: two_streams(toy)), tmp_path / "b", log=second, **HARD)
    assert equal(weights(straight), weights(resumed))
    assert straight["train"].metrics == resumed["train"].metrics
    assert same_rows(first) == same_rows(second)


@pytest.mark.parametrize("kill_at", [("resume", 1), ("resume", 2), ("best", 1), ("weights", 1), ("result", 1)])
def test_kill_between_two_files(kill_at, toy, tmp_path, monkeypatch):
    """Each file of a stage is the last that a killed process writes, once."""
    settings = {**HARD, "save_every_steps": 0}
    straight = toy.run(one(lambda: two_streams(toy)), tmp_path / "a", **settings)
    left = {kill_at[0]: kill_at[1]}

    def killing(write):
        def attempt(path, *rest):
            name = path.name.split(".")[0]
            left[name] = left.get(name, 0) - 1
            if left[name] == 0:
                raise toy.stopped
            return write(path, *rest)

        return attempt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_state", killing(loop.save_state))
        patch.setattr(loop, "save_weights", killing(loop.save_weights))
        from modelheir.runs import folder

        patch.setattr(folder, "write_json", killing(folder.write_json))
        with pytest.raises(toy.stopped):
            toy.run(one(lambda: two_streams(toy)), tmp_path / "b", **settings)
    resumed = toy.run(one(lambda: two_streams(toy)), tmp_path / "b", **settings)
    assert equal(weights(straight), weights(resumed))
    assert straight["train"].metrics == resumed["train"].metrics
    left_over = {path.name for path in (tmp_path / "b" / "stages" / "00_train").iterdir()}
    assert left_over == {"weights.safetensors", "result.json", "predictions"}


@pytest.fixture
def unwatched(monkeypatch):
    """Let the loop run as on a GPU, where losses are not looked at in every step."""

    def add(self, epoch, found, total, share):
        self.tally.add(found, total, self.number % self.length, share)

    monkeypatch.setattr(loop.Fit, "_add", add)


def test_a_resume_point_inside_an_epoch_never_holds_a_spoiled_state(toy, tmp_path, unwatched):
    with pytest.raises(InputError, match=r"the loss is not finite at epoch 2, step 2 of 5") as caught:
        toy.run(one(lambda: two_streams(toy, spoil_at=6)), tmp_path, epochs=4, save_every_steps=1)
    assert "The last good state is kept" in str(caught.value)
    state = load_state(tmp_path / "stages" / "00_train" / "resume.safetensors")
    assert state["number"] == 6
    assert all(value.isfinite().all() for value in state["weights"].values())
    batch = list(toy.make_stream(107).epoch(1))[1]
    assert ", ".join(f"0/{i}" for i in batch.index.tolist()[:5]) in str(caught.value)


def test_losses_are_looked_at_inside_long_epochs(toy, tmp_path, unwatched, monkeypatch):
    monkeypatch.setattr(loop, "_LOOK_EVERY", 2)
    seen = []
    task = two_streams(toy, spoil_at=0)
    watched = dataclasses.replace(task, objective=lambda b, s: seen.append(s.number) or task.objective(b, s))
    with pytest.raises(InputError, match="epoch 1, step 1 of 5"):
        toy.run(one(lambda: watched), tmp_path)
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
        toy.run(one(lambda: task), tmp_path)
    state = load_state(tmp_path / "stages" / "00_train" / "resume.safetensors")
    assert state["number"] == 5
    assert all(value.isfinite().all() for value in state["weights"].values())


@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9, "clip_norm": 1.0}, {"optimizer": "adamw"}])
def test_a_step_never_reads_from_the_device(settings, toy, tmp_path):
    """Tensors on ``meta`` have no values, so a read by the host is an error; a GPU would wait for it."""
    runtime, fit = Runtime("meta"), FitConfig(batch_size=20, lr=0.1, **settings)
    model = Normed()
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
        run.number += 1
    with pytest.raises(RuntimeError, match="meta"):  # the look itself does read
        run._check(0)


def test_settings_that_need_a_labelled_selection_split(toy, tmp_path):
    task = two_streams(toy)
    blind = {"val": toy.make_stream(60, seed=8, train=False, labelled=False)}
    for evaluate in ({}, blind):
        other = dataclasses.replace(task, evaluate=evaluate)
        with pytest.raises(InputError, match=r"fit\.keep = 'best': stage train has no labelled selection split"):
            toy.run(one(lambda other=other: other), tmp_path, keep="best")
        with pytest.raises(InputError, match=r"fit\.schedule = 'plateau': stage train has no labelled"):
            toy.run(one(lambda other=other: other), tmp_path, schedule="plateau")
    toy.run(one(lambda: dataclasses.replace(task, evaluate=blind)), tmp_path, epochs=1)


def test_accumulation_is_refused_where_the_task_steps_itself(toy, tmp_path):
    task = Task({"model": toy.net()}, {"train": toy.make_stream()}, update=lambda b, s: LossTerms({}))
    with pytest.raises(InputError, match=r"fit\.accumulate = 2: stage train does its own steps"):
        toy.run(one(lambda: task), tmp_path, accumulate=2)


class Cut:
    """A stream that gives fewer batches than its length says, or has none."""

    def __init__(self, stream, length, given):
        self.stream, self.length, self.given = stream, length, given

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __len__(self):
        return self.length

    def epoch(self, epoch, start=0):
        yield from list(self.stream.epoch(epoch, start))[: self.given]


@pytest.mark.parametrize("name", ["labelled", "pool"])
def test_a_stream_without_a_batch(name, toy, tmp_path):
    task = two_streams(toy)
    streams = {**task.streams, name: Cut(task.streams[name], 0, 0)}
    with pytest.raises(InputError, match=f"the {name} data gives no whole batch of 20"):
        toy.run(one(lambda: dataclasses.replace(task, streams=streams)), tmp_path)


def test_a_stream_that_breaks_its_promise(toy, tmp_path):
    task = two_streams(toy)
    streams = {**task.streams, "labelled": Cut(task.streams["labelled"], 5, 4)}
    with pytest.raises(ValueError, match="stream 'labelled' promised 5 batches, gave 4"):
        toy.run(one(lambda: dataclasses.replace(task, streams=streams)), tmp_path)


def test_a_resume_point_of_something_else_changes_nothing(toy, tmp_path):
    def stop(path, task, **settings):
        with pytest.raises(toy.stopped):
            toy.run(one(lambda: task), path, stop_after=6, **settings)

    def plain(width=8, n=100):
        model = toy.net(seed=1, width=width)
        loss = lambda b, _: LossTerms({"t": cross_entropy(model(b["train"].inputs).logits, b["train"].labels)})  # noqa: E731
        return Task({"model": model}, {"train": toy.make_stream(n)}, loss)

    stop(tmp_path, plain())
    wide = plain(width=9)
    before = {key: value.clone() for key, value in wide.modules["model"].state_dict().items()}
    with pytest.raises(InputError, match="another model or method"):
        toy.run(one(lambda: wide), tmp_path)
    assert equal(before, wide.modules["model"].state_dict())
    with pytest.raises(InputError, match="another model or method"):
        toy.run(one(plain), tmp_path, ema_decay=0.9)
    with pytest.raises(InputError, match="with 5 steps an epoch, and this one has 3"):
        toy.run(one(lambda: plain(n=70)), tmp_path)


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
    toy.run(one(lambda: task), tmp_path, epochs=1)
    assert set(modes) == {False}
    assert helper.training


def test_a_buffer_that_a_module_replaces_is_the_one_saved(toy, tmp_path):
    class Counting(Normed):
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
    assert weights(toy.run(one(lambda: task), tmp_path, epochs=2))["seen"] == 10


def test_a_finished_stage_is_let_go_before_the_next_is_prepared(toy, tmp_path):
    alive = []

    def prepare(done):
        gc.collect()
        alive.append([reference() is not None for reference in models])
        task = two_streams(toy)
        models.append(weakref.ref(task.modules["model"]))
        return task

    models = []
    toy.run([Stage("a", prepare), Stage("b", prepare)], tmp_path, epochs=1)
    assert alive == [[], [False]]


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
        toy.run(one(task), tmp_path, log=rows, save_every_steps=1, stop_after=4)
    toy.run(one(task), tmp_path, log=rows, save_every_steps=1)
    for row in rows:
        assert row["loss/late"] == pytest.approx(4.0)
        assert row["loss"] == pytest.approx(row["loss/task"] + 4.0, rel=1e-6)


def test_the_logged_rate_is_the_one_used(toy, tmp_path):
    rows = toy.rows()
    toy.run(one(lambda: two_streams(toy)), tmp_path, log=rows, **{**HARD, "step_factor": 0.0, "epochs": 6})
    drop = next(i for i, row in enumerate(rows) if row["lr"] == 0)
    best = max(row["val/accuracy"] for row in rows[: drop - 1])
    assert rows[drop - 1]["val/accuracy"] <= best  # the epoch that did not rise still ran at the old rate
    assert all(row["lr"] == 0.05 for row in rows[:drop])


# half precision


class TestStep:
    """Two optimisers and a scale, without a GPU."""

    def make(self, **fit):
        self.a, self.b = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        config = FitConfig(optimizer="sgd", lr=0.1, momentum=0.0, weight_decay=0.0, schedule="cosine", **fit)
        optimizers = {name: make_optimizer([getattr(self, name)], config) for name in ("a", "b")}
        step = EngineStep(Runtime("cpu"), config, optimizers, stage="x", seed=0, steps=10)
        step.scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_factor=2.0, growth_interval=1)
        for net in (self.a, self.b):
            nn.init.ones_(net.weight)
        return step

    @pytest.mark.parametrize("clip", [0.0, 100.0])
    def test_the_scale_changes_only_when_no_gradient_waits(self, clip):
        step = self.make(clip_norm=clip)
        step.begin(0, 0)
        step.backward(3 * self.a.weight.sum() + 5 * self.b.weight.sum())
        step.apply("a")
        assert step.scaler.get_scale() == 4.0
        step.apply("b")
        assert step.scaler.get_scale() == 8.0
        assert [net.weight.item() for net in (self.a, self.b)] == pytest.approx([0.7, 0.5])

    def test_a_gradient_left_over_does_not_block_the_next_step(self):
        step = self.make()
        for number in range(2):
            step.begin(0, number)
            step.backward(self.a.weight.sum() + self.b.weight.sum())
            step.apply("a")
        assert self.a.weight.item() == pytest.approx(0.8)

    def test_an_optimizer_without_gradients_is_left_alone(self):
        step = self.make(clip_norm=1.0)
        step.begin(0, 0)
        step.backward(self.a.weight.sum())
        step.apply()
        assert self.b.weight.item() == 1.0

    def test_a_step_whose_gradients_overflow_is_left_out(self):
        step = self.make()
        step.begin(0, 0)
        step.backward(self.a.weight.sum() * 1e38)
        step.apply()
        assert self.a.weight.item() == 1.0
        assert step.scaler.get_scale() == 2.0


def test_the_scale_is_resumed(toy, tmp_path, monkeypatch):
    def scaler(self, precision):
        return torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=4)

    monkeypatch.setattr(Runtime, "scaler", scaler)
    straight = toy.run(one(lambda: two_streams(toy)), tmp_path / "a", **HARD)
    with pytest.raises(toy.stopped):
        toy.run(one(lambda: two_streams(toy)), tmp_path / "b", stop_after=7, **HARD)
    state = load_state(tmp_path / "b" / "stages" / "00_train" / "resume.safetensors")
    assert state["scaler"]["scale"] > 2.0
    resumed = toy.run(one(lambda: two_streams(toy)), tmp_path / "b", **HARD)
    assert equal(weights(straight), weights(resumed))


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
    toy.run(one(lambda: task), tmp_path, epochs=1, precision="bf16", lr=1.0)
    assert min(found) > 0


# rates, averages, devices


def test_rate_scales_with_the_batch_from_its_reference():
    fit = FitConfig(batch_size=1280, lr=0.1, lr_reference_batch=256, schedule="step", epochs=90)
    assert peak_rate(fit) == pytest.approx(0.5)
    assert [learning_rate(fit, e * 7, 7) for e in (0, 30, 60)] == pytest.approx([0.5, 0.05, 0.005])
    assert make_optimizer([nn.Linear(2, 2)], fit).param_groups[0]["lr"] == pytest.approx(0.5)
    assert peak_rate(dataclasses.replace(fit, lr_reference_batch=0)) == 0.1
    assert peak_rate(dataclasses.replace(fit, batch_size=128)) == pytest.approx(0.05)
    for schedule in ("cosine", "linear", "constant", "plateau"):
        other = dataclasses.replace(fit, schedule=schedule, min_lr=1e-3, warmup_epochs=2.0, warmup_lr=0.01)
        assert learning_rate(other, 0, 10) == pytest.approx(0.01)
        assert learning_rate(other, 10, 10) == pytest.approx(0.255)
        assert learning_rate(other, 20, 10) == pytest.approx(0.5)
        if schedule in ("cosine", "linear"):
            assert learning_rate(other, 900, 10) == pytest.approx(1e-3)


def test_the_older_cosine_is_one_with_min_lr():
    """It went from ``lr`` to ``lr * 0.1 ** (epochs / lr_step)`` over ``epochs``, at fractional epochs."""
    lr, epochs, lr_step, steps = 0.1, 90, 30, 7
    low = lr * 0.1 ** (epochs / lr_step)
    assert low == pytest.approx(1e-4)
    fit = FitConfig(epochs=epochs, lr=lr, schedule="cosine", min_lr=low)
    for number in (0, 1, 200, epochs * steps - 1):
        old = low + (lr - low) * (1 + math.cos(math.pi * number / steps / epochs)) / 2
        assert learning_rate(fit, number, steps) == pytest.approx(old)


def test_plateau_counts_epochs_between_evaluations():
    plateau = Plateau(patience=4, factor=0.5)
    scales = []
    for value in (0.5, 0.5, 0.5, 0.5):
        plateau.observe(value, epochs=2)
        scales.append(plateau.scale)
    assert scales == [1.0, 1.0, 0.5, 0.5]


def test_average_copies_counts_and_keeps_constants():
    average = {"w": torch.tensor([1.0, 0.1]), "n": torch.tensor(3), "on": torch.tensor(False)}
    ema_update_(average, {"w": torch.tensor([2.0, 0.1]), "n": torch.tensor(7), "on": torch.tensor(True)}, 0.75)
    assert average["w"].tolist() == pytest.approx([1.25, 0.1])
    assert average["w"][1] == torch.tensor(0.1)
    assert (int(average["n"]), bool(average["on"])) == (7, True)


def test_unknown_and_absent_devices():
    with pytest.raises(InputError, match="device = 'gpu': must be auto, cpu, cuda"):
        Runtime("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="device = 'cuda'"):
            Runtime("cuda")


def test_the_same_plan_object_can_run_twice(toy, tmp_path):
    """A finished folder is read back; its plan is not prepared again."""
    calls = []

    def prepare(done):
        calls.append(1)
        return two_streams(toy)

    for _ in range(2):
        run_plan(
            [Stage("train", prepare)],
            RunFolder(tmp_path),
            runtime=Runtime("cpu"),
            fit_config=dataclasses.replace(toy.fit, epochs=1),
            seed=0,
            log=toy.rows(),
            progress=toy.quiet(),
        )
    assert calls == [1]
