"""The loop: what it refuses, what it keeps, and that splitting the work does not change the numbers."""

import dataclasses
import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.checks import InputError
from modelheir.engine.optim import Plateau, learning_rate, make_optimizer
from modelheir.engine.step import step_seed
from modelheir.models.teachers.freeze import freeze, state_hash
from modelheir.types import LossTerms, Stage, Task


def plain(toy, *, net=None, evaluate=True, spoil_at=None, **stream):
    """Return a one-stage plan of plain training, and the net."""
    model = net or toy.net(seed=1)
    model.body[2].p = 0.0  # no dropout, so that splitting a batch changes nothing

    def prepare(done):
        def objective(batches, step):
            batch = batches["train"]
            loss = cross_entropy(model(batch.inputs).logits, batch.labels)
            return LossTerms({"task": loss * math.nan if step.number == spoil_at else loss})

        val = {"val": toy.make_stream(60, seed=8, train=False)} if evaluate else {}
        return Task({"model": model}, {"train": toy.make_stream(**stream)}, objective, evaluate=val)

    return [Stage("train", prepare)]


def weights(results):
    return results["train"].weights("model")


def test_accumulation_gives_the_numbers_of_the_whole_batch(toy, tmp_path):
    whole = weights(toy.run(plain(toy), tmp_path / "a"))
    parts = weights(toy.run(plain(toy), tmp_path / "b", accumulate=4))
    for key in whole:
        torch.testing.assert_close(whole[key], parts[key], atol=1e-6, rtol=1e-5)
    with pytest.raises(InputError, match=r"fit.accumulate = 3: must divide the 20 images"):
        toy.run(plain(toy), tmp_path / "c", accumulate=3)


@pytest.mark.parametrize("spoil_at", [0, 7])
def test_loss_that_is_not_finite_stops_with_the_ids_and_keeps_the_last_state(toy, tmp_path, spoil_at):
    with pytest.raises(InputError) as caught:
        toy.run(plain(toy, spoil_at=spoil_at), tmp_path)
    batch = list(toy.make_stream().epoch(spoil_at // 5))[spoil_at % 5]
    ids = [f"0/{i}" for i in batch.index.tolist()]
    assert f"epoch {spoil_at // 5 + 1}, step {spoil_at % 5 + 1} of 5" in str(caught.value)
    assert ", ".join(ids[:5]) in str(caught.value)
    folder = tmp_path / "stages" / "00_train"
    assert not (folder / "result.json").exists()
    assert (folder / "resume.safetensors").exists() == (spoil_at > 5)
    if spoil_at > 5:  # mended, the same folder goes on from the last good state to the undisturbed result
        mended = weights(toy.run(plain(toy), tmp_path))
        straight = weights(toy.run(plain(toy), tmp_path / "straight"))
        assert all(torch.equal(mended[key], straight[key]) for key in straight)


def test_best_weights_are_those_of_the_best_epoch(toy, tmp_path):
    rows = toy.rows()
    kept = toy.run(plain(toy), tmp_path, log=rows, keep="best", lr=2.0, epochs=6)["train"]
    assert kept.metrics["val/accuracy"] == max(row["val/accuracy"] for row in rows)


def test_average_of_weights_follows_its_recursion(toy, tmp_path):
    seen, net = [], toy.net(seed=1)
    plan = plain(toy, net=net)
    task = plan[0].prepare({})

    def objective(batches, step):
        seen.append(net.head.weight.detach().clone())
        return task.objective(batches, step)

    watched = [Stage("train", lambda done: dataclasses.replace(task, objective=objective))]
    kept = weights(toy.run(watched, tmp_path, ema_decay=0.9, epochs=2))
    seen.append(None)
    average = seen[0].clone()
    straight = toy.run(plain(toy), tmp_path / "raw", epochs=2)
    for value in [*seen[1:-1], weights(straight)["head.weight"]]:
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


def test_checkpoints_are_kept_from_the_start(toy, tmp_path):
    toy.run(plain(toy), tmp_path, checkpoint_every_epochs=1)
    places = sorted(path.name for path in (tmp_path / "stages" / "00_train" / "checkpoints").iterdir())
    assert places == ["epoch_0000", "epoch_0001", "epoch_0002", "epoch_0003"]
    assert (tmp_path / "stages" / "00_train" / "checkpoints" / "epoch_0003" / "val.parquet").is_file()


def test_resume_points_inside_an_epoch(toy, tmp_path):
    straight = weights(toy.run(plain(toy), tmp_path / "a"))
    with pytest.raises(toy.stopped):
        toy.run(plain(toy), tmp_path / "b", save_every_steps=2, stop_after=9)
    rows = toy.rows()
    resumed = weights(toy.run(plain(toy), tmp_path / "b", save_every_steps=2, log=rows))
    assert all(torch.equal(straight[key], resumed[key]) for key in straight)
    assert [row["steps"] for row in rows] == [2, 5]  # steps 8 and 9 of epoch 1 were left, then a whole epoch


def test_state_of_another_model_is_refused(toy, tmp_path):
    with pytest.raises(toy.stopped):
        toy.run(plain(toy), tmp_path, stop_after=7)
    from modelheir.runs.tensors import load_state, save_state

    path = tmp_path / "stages" / "00_train" / "resume.safetensors"
    state = load_state(path)
    state["weights"]["model/extra"] = torch.zeros(1)
    save_state(path, state)
    with pytest.raises(InputError, match="another model or method"):
        toy.run(plain(toy), tmp_path)


def test_a_stage_without_streams_keeps_and_evaluates_its_modules(toy, tmp_path):
    model = toy.net(seed=1)
    task = Task({"model": model}, {}, evaluate={"val": toy.make_stream(60, seed=8, train=False)})
    done = toy.run([Stage("blend", lambda _: task)], tmp_path)
    assert 0 <= done["blend"].metrics["val/accuracy"] <= 1
    assert torch.equal(done["blend"].weights("model")["head.weight"], model.head.weight)


def test_a_task_needs_one_of_objective_and_update(toy, tmp_path):
    task = Task({"model": toy.net()}, {"train": toy.make_stream()})
    with pytest.raises(ValueError, match="an objective or an update"):
        toy.run([Stage("train", lambda _: task)], tmp_path)


def test_the_module_to_evaluate_is_looked_for_before_training(toy, tmp_path):
    def objective(batches, step):
        pytest.fail("trained")

    val = {"val": toy.make_stream(60, seed=8, train=False)}
    task = Task({"t0": toy.net(), "t1": toy.net()}, {"train": toy.make_stream()}, objective, evaluate=val, publish="t2")
    with pytest.raises(ValueError, match="stage joint has no module 't2' to evaluate, only t0, t1"):
        toy.run([Stage("joint", lambda _: task)], tmp_path)


def test_learning_rate_follows_the_documented_schedules(toy):
    step = dataclasses.replace(toy.fit, epochs=90, lr=0.1, schedule="step", step_epochs=30)
    assert [learning_rate(step, e * 7, 7) for e in (0, 29, 30, 89)] == pytest.approx([0.1, 0.1, 0.01, 0.001])
    cosine = dataclasses.replace(toy.fit, epochs=10, lr=0.2, schedule="cosine", min_lr=2e-4)
    assert learning_rate(cosine, 0, 8) == pytest.approx(0.2)
    assert learning_rate(cosine, 40, 8) == pytest.approx(0.2 * 0.5 + 1e-4)
    assert learning_rate(cosine, 80, 8) == pytest.approx(2e-4)
    warm = dataclasses.replace(cosine, warmup_epochs=2, warmup_lr=0.01)
    assert [learning_rate(warm, s, 8) for s in (0, 8, 16)] == pytest.approx([0.01, 0.105, 0.2])
    line = dataclasses.replace(cosine, schedule="linear", min_lr=0.0)
    assert learning_rate(line, 20, 8) == pytest.approx(0.15)


def test_cosine_equals_the_library_s(toy):
    fit = dataclasses.replace(toy.fit, epochs=5, lr=0.3, min_lr=0.01)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    library = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.01)
    for step in range(20):
        assert learning_rate(fit, step, 4) == pytest.approx(library.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        library.step()


def test_plateau_waits_then_drops():
    plateau = Plateau(patience=2, factor=0.5)
    scales = []
    for value in (0.5, 0.5, 0.4, 0.6, 0.6, 0.6):
        plateau.observe(value)
        scales.append(plateau.scale)
    assert scales == [1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    other = Plateau(2, 0.5)
    other.load_state_dict(plateau.state_dict())
    assert vars(other) == vars(plateau)


def test_optimizer_leaves_norms_and_biases_undecayed_and_takes_shared_parameters_once(toy):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    fit = dataclasses.replace(toy.fit, decay_norm_and_bias=False, weight_decay=0.1)
    optimizer = make_optimizer([model, model], fit)
    decays = {tuple(p.shape): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays == {(4, 3): 0.1, (4,): 0.0}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4
    with pytest.raises(ValueError, match="no parameter is trainable"):
        make_optimizer([freeze(model)], fit)


@pytest.mark.parametrize("kind", ["sgd", "adamw", "adam", "rmsprop"])
def test_every_optimizer_learns_and_resumes(kind, toy, tmp_path):
    lr = 0.05 if kind == "sgd" else 0.01
    straight = toy.run(plain(toy), tmp_path / "a", optimizer=kind, lr=lr, clip_norm=1.0)
    with pytest.raises(toy.stopped):
        toy.run(plain(toy), tmp_path / "b", optimizer=kind, lr=lr, clip_norm=1.0, stop_after=8)
    resumed = toy.run(plain(toy), tmp_path / "b", optimizer=kind, lr=lr, clip_norm=1.0)
    assert all(torch.equal(value, weights(resumed)[key]) for key, value in weights(straight).items())
    assert straight["train"].metrics["val/accuracy"] > 0.5


def test_bf16_trains(toy, tmp_path):
    assert toy.run(plain(toy), tmp_path, precision="bf16")["train"].metrics["val/accuracy"] > 0.5


def test_step_seeds_differ_by_every_argument():
    seeds = {step_seed(*a) for a in [(0, "a", 0, 0), (1, "a", 0, 0), (0, "b", 0, 0), (0, "a", 1, 0), (0, "a", 0, 1)]}
    assert len(seeds) == 5
