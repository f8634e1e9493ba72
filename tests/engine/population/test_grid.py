"""A grid publishes its best member, tells what all came to, and is the same whatever runs it or interrupts it."""

import copy
import dataclasses
import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.network import NetworkConfig
from modelheir.data import make_stream, open_splits
from modelheir.engine.population import runners
from modelheir.engine.population.grid import accept_grid, best_member
from modelheir.engine.progress import LineProgress
from modelheir.models import build
from modelheir.models.adapters import reparametrise
from modelheir.plans import Grid, Stage, Task
from modelheir.types import LossTerms

RUNNERS = list(runners.RUNNERS)


@given(st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1)), max_size=9))
def test_the_first_of_the_greatest_is_best(values):
    held = [-1.0 if value is None else value for value in values]
    expected = int(np.argmax(held)) if any(value is not None for value in values) else None
    assert best_member([None if value is None else (value, 0.5) for value in values]) == expected


def test_of_equal_values_the_lowest_loss_is_best():
    assert best_member([(0.5, 0.1), (0.75, 0.4), (0.75, 0.3), (0.75, math.inf), (0.75, 0.3)]) == 2


def test_the_best_is_told_after_the_last_member(grids, tmp_path):
    stream = io.StringIO()
    grids.run(tmp_path, progress=LineProgress(stream))
    lines = [line for line in stream.getvalue().splitlines() if " in " in line or "the best of" in line]
    assert [line.partition(":")[0] for line in lines] == ["grid/0", "grid/1", "grid/2", "grid/3", "grid"]


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("runner", RUNNERS)
def test_members_are_compared_by_what_they_keep(keep, runner, grids, toy, tmp_path):
    """Value and loss of each are those of the log's row that its kept weights are from."""
    rows = toy.rows()
    grid = grids.grid(grids.settings, runner, keep=keep, keep_start=False, stop_after_stalls=0, epochs=3)
    done = grids.run(tmp_path, grid=grid, log=rows)
    table = done.describe["grid"]["members"]
    for number, member in enumerate(table):
        own = [row for row in rows if row["stage"] == f"grid/{number}"]
        values = [row["val/accuracy"] for row in own]
        kept = int(np.argmax(values)) if keep == "best" else 2
        assert member["best_epoch"] == kept + 1
        assert member["selection"] == values[kept]
        assert member["loss"] == own[kept]["val/loss"]
    chosen = table[done.describe["grid"]["chosen"]]
    assert done.metrics["val/accuracy"] == chosen["selection"]
    assert done.metrics["val/loss"] == pytest.approx(chosen["loss"], abs=1e-9)


class Scaled(nn.Module):
    """A fixed weight times a number that is trained."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, weight):
        return self.factor * weight


@pytest.mark.parametrize("runner", RUNNERS[:2])
def test_weights_that_are_functions_of_others_are_published_plain(runner, grids, tmp_path):
    plain = grids.net().state_dict()

    def make_task(setting):
        task = dataclasses.replace(grids.task(setting), parameter_groups=None)
        reparametrise(task.modules["model"].head, "weight", Scaled())
        return task

    done = grids.run(tmp_path, grid=Grid(grids.settings, make_task, runner=runner))
    weights = done.weights("model")
    assert weights.keys() == plain.keys()
    factor = weights["head.weight"] / plain["head.weight"]
    torch.testing.assert_close(factor, factor.mean().expand_as(factor))
    chosen = done.describe["grid"]["members"][done.describe["grid"]["chosen"]]
    assert done.metrics["val/accuracy"] == chosen["selection"]


def test_the_best_members_checkpoints_and_snapshots_stay(grids, tmp_path):
    kept = dataclasses.replace(grids.fit.snapshots, every_epochs=1)
    grid = grids.grid(grids.settings, epochs=2, checkpoint_every_epochs=1, snapshots=kept, stop_after_stalls=0)
    done = grids.run(tmp_path, grid=grid)
    assert [one.step for one in done.snapshots()] == [0, 5, 10]
    epoch = done.describe["grid"]["members"][done.describe["grid"]["chosen"]]["best_epoch"]
    kept = done.folder / "checkpoints" / f"epoch_{epoch:04d}" / "weights.safetensors"
    assert kept.read_bytes() == (done.folder / "weights.safetensors").read_bytes()


@pytest.mark.parametrize("runner", RUNNERS)
def test_what_a_task_measures_is_of_each_members_kept_weights(runner, grids, tmp_path):
    """The grid's own is that of the member it chose, whose weights are there to be measured again."""

    def measured(setting):
        task = grids.task(setting)
        model = task.modules["model"]
        return dataclasses.replace(
            task, measure=lambda: {"sum": float(sum(one.detach().double().sum() for one in model.parameters()))}
        )

    done = grids.run(tmp_path, grid=Grid(grids.settings, measured, share=True, runner=runner))
    table, chosen = done.describe["grid"]["members"], done.describe["grid"]["chosen"]
    held = grids.net(0.0, 8)
    held.load_state_dict(done.weights("model"))
    total = float(sum(one.detach().double().sum() for one in held.parameters()))
    assert table[chosen]["measured"]["sum"] == pytest.approx(total, rel=1e-6)
    assert done.describe["measured"]["sum"] == pytest.approx(total, rel=1e-6)
    assert len({row["measured"]["sum"] for row in table}) == len(table)


def wrong(settings, runner="sequential"):
    return Grid(settings, lambda setting: None, runner=runner)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (wrong([]), "a grid needs at least one setting"),
        (wrong([{"lr": 1.0}, {"decay": 1.0}]), "must have the same names"),
        (wrong([{"lr": 1.0}, {"lr": 2.0}, {"lr": 1.0}]), "settings 0 and 2 of a grid are alike: lr = 1.0"),
        (wrong([{"lr": 1.0}], "fastest"), "a grid's runner is auto, sequential, processes, stacked, got 'fastest'"),
    ],
)
def test_what_is_no_grid_is_refused(grid, said):
    with pytest.raises(ValueError, match=said):
        accept_grid(grid)


def test_the_members_have_different_ends(grids, tmp_path):
    """What the tests of this folder stand on: members stop at different epochs, and the best is not the first."""
    done = grids.run(tmp_path)
    table = grids.table(done)
    assert len({row["epochs"] for row in table}) > 1
    assert len({row["selection"] for row in table}) > 1
    assert done.describe["grid"]["chosen"] == best_member([(row["selection"], row["loss"]) for row in table])


@pytest.mark.parametrize("runner", RUNNERS)
def test_every_runner_publishes_the_best_member_of_separate_trainings(runner, grids, toy, tmp_path):
    """Each setting is trained as a stage of its own; the grid's table and weights are those of these stages."""
    alone, values = [], []
    for number, setting in enumerate(grids.settings):
        task, rows = grids.task(setting), toy.rows()
        plan = [Stage("train", lambda done, task=task: task)]
        alone.append(toy.run(plan, tmp_path / str(number), log=rows, keep="best")["train"])
        values.append([row["val/accuracy"] for row in rows])
    best = [one.metrics["val/accuracy"] for one in alone]
    losses = [one.metrics["val/loss"] for one in alone]
    rows = toy.rows()
    done = grids.run(tmp_path / "grid", runner, log=rows)
    table, chosen = done.describe["grid"]["members"], done.describe["grid"]["chosen"]
    assert done.describe["grid"]["runner"] == runner
    assert [row["setting"] for row in table] == grids.settings
    assert [row["selection"] for row in table] == best
    assert [row["epochs"] for row in table] == [len(one) for one in values]
    for row, seen in zip(table, values, strict=True):
        start = next(one["selection"] for one in table if one["best_epoch"] == 0) if row["best_epoch"] == 0 else -1.0
        assert row["best_epoch"] == (0 if max(seen) <= start else 1 + int(np.argmax(seen)))
        assert row["seconds"] > 0
    assert [row["loss"] for row in table] == pytest.approx(losses, abs=1e-9)
    assert chosen == best_member(list(zip(best, losses, strict=True)))
    for number, seen in enumerate(values):
        assert [row["val/accuracy"] for row in rows if row["stage"] == f"grid/{number}"] == seen
    assert done.metrics == pytest.approx(alone[chosen].metrics, abs=1e-6)
    expected, found = alone[chosen].weights("model"), done.weights("model")
    assert all(torch.allclose(found[key], value, rtol=0, atol=1e-11) for key, value in expected.items())
    left = sorted(path.name for path in done.folder.iterdir())
    assert left == ["predictions", "result.json", "weights.safetensors"]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(
    ("name", "value"), [("lr", 0.03), ("penalty", 0.5), ("dropout", 0.5), ("seed", 6)], ids=lambda value: str(value)
)
def test_every_setting_reaches_its_member_alone(runner, name, value, grids, toy, tmp_path):
    """One member's setting is changed: its losses change, and the other's stay."""
    first = grids.settings[0]
    losses = []
    for number, second in enumerate((first, {**first, name: value})):
        rows = toy.rows()
        grid = grids.grid([{**first, "lr": 0.02}, {**second, "lr": second["lr"] + 1e-9}], runner, epochs=2)
        if runner == "stacked" and name == "dropout":  # draws are the stack's: the mask of the other changes none of it
            assert first["dropout"] == 0
        grids.run(tmp_path / str(number), grid=grid, log=rows)
        losses.append([[row["loss"] for row in rows if row["stage"] == f"grid/{one}"] for one in range(2)])
    assert losses[0][0] == pytest.approx(losses[1][0], abs=1e-6)
    assert losses[0][1] != pytest.approx(losses[1][1], abs=1e-6)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_member_that_diverges_is_out_and_told(runner, grids, tmp_path):
    settings = [{**grids.settings[0], "lr": 1e300}, *grids.settings[:2]]
    done = grids.run(tmp_path, grid=grids.grid(settings, runner))
    table = done.describe["grid"]["members"]
    assert "not finite at epoch 1" in table[0]["failed"]
    assert "selection" not in table[0]
    assert all("failed" not in row for row in table[1:])
    assert done.describe["grid"]["chosen"] in (1, 2)


def test_a_grid_whose_members_all_diverge_says_so(grids, tmp_path):
    with pytest.raises(InputError, match=r"stage grid: every setting failed. lr = 1e\+300, .* not finite"):
        grids.run(tmp_path, grid=grids.grid([{**grids.settings[0], "lr": 1e300}]))


def test_only_the_best_is_seen_on_the_test_split(grids, toy, tmp_path):
    asked = []

    def make_task(setting):
        task = grids.task(setting)
        test = copy.copy(toy.make_stream(60, seed=9, train=False))
        test.epoch = lambda epoch, start=0, own=test.epoch: asked.append(setting) or own(epoch, start)
        return dataclasses.replace(task, evaluate={**task.evaluate, "test": test})

    done = grids.run(tmp_path, grid=Grid(grids.settings, make_task, runner="sequential"))
    assert asked == [grids.settings[done.describe["grid"]["chosen"]]]
    assert "test/accuracy" in done.metrics


def test_a_later_stage_reads_the_best_and_a_finished_grid_is_read_back(grids, toy, tmp_path):
    def plan():
        def after(done):
            task = grids.task(grids.settings[0])
            task.modules["model"].load_state_dict(done["grid"].weights("model"))
            return Task(task.modules, {}, evaluate=task.evaluate)

        return [Stage("grid", lambda done: grids.grid()), Stage("after", after)]

    first = toy.run(plan(), tmp_path, keep="best")
    made = grids.made
    again = toy.run(plan(), tmp_path, keep="best")
    assert grids.made == made
    assert toy.equal(first["grid"].weights("model"), again["after"].weights("model"))
    assert again["grid"].describe == first["grid"].describe


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_grid_on_digits_goes_on_after_an_interruption_to_the_same_bits(runner, toy, tmp_path):
    inputs = InputConfig(augment="none", val_fraction=0.1, test_fraction=0.1, train_fraction=0.2, crop_pad=1)
    splits, stores = open_splits("digits", inputs), {}
    fit = dataclasses.replace(
        toy.fit, epochs=3, batch_size=64, optimizer="adam", schedule="constant", keep="best", keep_start=True,
        stop_after_stalls=6,
    )  # fmt: skip

    def make_task(setting):
        model = build("convnet", classes=splits["train"].classes, image_size=8, config=small)

        def objective(batches, step):
            batch = batches["train"]
            return LossTerms({"task": cross_entropy(model(batch.inputs).logits, batch.labels)})

        told = {"config": inputs, "batch_size": 64, "device": "cpu", "stores": stores}
        train = make_stream(splits["train"], train=True, seed=setting["seed"], drop_last=False, **told)
        rest = {name: make_stream(splits[name], train=False, seed=0, split=name, **told) for name in ("val", "test")}
        own = dataclasses.replace(fit, lr=setting["lr"])
        return Task({"model": model}, {"train": train}, objective, evaluate=rest, fit=own)

    small = NetworkConfig(kwargs={"blocks": 2, "width": 4})
    settings = [{"lr": lr, "seed": seed} for lr in (0.03, 0.001) for seed in (1, 2)]
    grid = Grid(settings, make_task, share=True, runner=runner)
    plan = [Stage("grid", lambda done: grid)]
    straight = toy.run(plan, tmp_path / "a", log=(rows := toy.rows()), save_every_epochs=1)["grid"]
    assert straight.metrics["val/accuracy"] > 0.2  # chance is 0.1
    assert len(stores) == 3  # each split was decoded once
    again = toy.rows()
    with pytest.raises(toy.stopped):
        toy.run(plan, tmp_path / "b", log=again, stop_after=14, save_every_epochs=1)
    resumed = toy.run(plan, tmp_path / "b", log=again, save_every_epochs=1)["grid"]
    assert toy.equal(straight.weights("model"), resumed.weights("model"))
    assert straight.metrics == resumed.metrics
    without = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in one.describe["grid"]["members"]]
        for one in (straight, resumed)
    ]
    assert without[0] == without[1]
    key = lambda row: (row["stage"], row["epoch"])  # noqa: E731 - processes write in any order
    assert sorted(toy.same_rows(rows), key=key) == sorted(toy.same_rows(again), key=key)
