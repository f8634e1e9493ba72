"""What a stage takes as best, when it ends early, and optimisers with settings of their own."""

import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizers
from modelheir.engine.schedules import learning_rate
from modelheir.plans import Stage, Task
from modelheir.runs.predictions import read_predictions
from modelheir.types import LossTerms, Outputs


def plan(toy, select=None, seen=None, **more):
    """One stage that learns; ``select`` gives the values of the evaluations in turn."""
    model, calls = toy.net(seed=1), []

    def objective(batches, step):
        return LossTerms({"task": cross_entropy(model(batches["train"].inputs).logits, batches["train"].labels)})

    def chosen(predictions):
        calls.append(predictions)
        return select[len(calls) - 1]

    if seen is not None:
        seen.append(calls)
    task = Task(
        {"model": model},
        {"train": toy.make_stream()},
        objective,
        evaluate={"val": toy.make_stream(60, seed=8, train=False)},
        select=chosen if select else None,
        **more,
    )
    return [Stage("train", lambda done: task)]


def test_patience_ends_a_stage_and_keeps_the_best(toy, tmp_path):
    rows, seen = toy.rows(), []
    values = [1.0, 3.0, 2.0, 2.5, 9.0, 9.0]
    done = toy.run(plan(toy, values, seen), tmp_path, log=rows, epochs=6, patience=2, keep="best")
    assert [row["val/selection"] for row in rows] == values[:4]
    second = seen[0][1]
    kept = read_predictions(done["train"].folder / "predictions" / "val.parquet")
    assert (kept.logits == second.logits).all()


@pytest.mark.parametrize(
    ("values", "patience", "epochs"),
    [([1.0, 3.0, 3.0, 3.0, 9.0], 2, 4), ([1.0, 3.0, 3.0, 4.0, 4.0, 4.0, 9.0], 2, 6), ([2.0, 2.0, 9.0], 1, 2)],
)
def test_an_equal_result_is_no_better_one(values, patience, epochs, toy, tmp_path):
    """It ends a stage as a worse one does, and of equal results the first is kept."""
    rows, seen = toy.rows(), []
    plan_ = plan(toy, values, seen)
    done = toy.run(plan_, tmp_path, log=rows, epochs=len(values), patience=patience, keep="best")
    assert [row["val/selection"] for row in rows] == values[:epochs]
    first = seen[0][values.index(max(values[:epochs]))]
    kept = read_predictions(done["train"].folder / "predictions" / "val.parquet")
    assert (kept.logits == first.logits).all()


class Scripted(torch.nn.Module):
    """Says one logit to every image: its weight, which the test sets step by step."""

    def __init__(self):
        super().__init__()
        self.said = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        logits = torch.nn.functional.pad(self.said.expand(len(x), 1), (0, 2))
        return Outputs(logits, logits)


@pytest.mark.parametrize(
    ("decay", "seen", "kept"),
    [(0.0, [4.0, 3.0, 2.0], 4.0), (0.5, [2.0, 2.5, 2.25], 2.5)],  # 0.5: half of the average before, half of the weight
)
def test_the_best_is_chosen_among_averaged_weights_where_there_are_any(decay, seen, kept, toy, tmp_path):
    """The weight falls from 4 and is best after one epoch, its average after two."""
    model, script = Scripted(), iter([4.0, 3.0, 2.0])

    def update(batches, step):
        with torch.no_grad():
            model.said.fill_(next(script))
        return LossTerms({"task": torch.zeros(())})

    task = Task(
        {"model": model},
        {"train": toy.make_stream(20)},  # one step an epoch
        update=update,
        evaluate={"val": toy.make_stream(60, seed=8, train=False)},
        select=lambda predictions: float(predictions.logits[:, 0].mean()),
    )
    settings = {"epochs": 3, "keep": "best", "ema_decay": decay}
    done = toy.run([Stage("train", lambda done: task)], tmp_path, log=(rows := toy.rows()), **settings)
    assert [row["val/selection"] for row in rows] == seen
    assert done["train"].weights("model")["said"].item() == kept
    predictions = read_predictions(done["train"].folder / "predictions" / "val.parquet")
    assert (predictions.logits[:, 0] == kept).all()


def test_patience_counts_epochs_not_evaluations(toy, tmp_path):
    rows = toy.rows()
    toy.run(plan(toy, [1.0, 0.0, 0.0, 0.0]), tmp_path, log=rows, epochs=8, patience=3, evaluate_every=2)
    assert len(rows) == 6  # best after 2, worse after 4 (two epochs) and after 6 (four)


def test_a_stage_that_ended_early_resumes_to_the_same_end(toy, tmp_path):
    values, settings = [3.0, 1.0, 2.0, 9.0], {"epochs": 4, "patience": 2}
    straight = toy.run(plan(toy, values), tmp_path / "a", log=(rows := toy.rows()), **settings)
    with pytest.raises(toy.stopped):
        toy.run(plan(toy, values), tmp_path / "b", stop_after=12, log=(again := toy.rows()), **settings)
    resumed = toy.run(plan(toy, values[2:]), tmp_path / "b", log=again, **settings)
    assert [row["epoch"] for row in rows] == [row["epoch"] for row in again] == [0, 1, 2]
    a, b = straight["train"].weights("model"), resumed["train"].weights("model")
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    ("values", "stalls", "epochs", "best"),
    [  # the first value is the start's
        ([0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.9], 6, 7, 1),
        ([0.1, 0.3, 0.2, 0.25, 0.24, 0.26, 0.25, 0.2, 0.9], 3, 8, 8),  # each rise over the epoch before begins anew
        ([0.1, 0.3, 0.2, 0.25, 0.24, 0.26, 0.25, 0.2, 0.1, 0.9], 3, 8, 1),
        ([0.5, 0.1, 0.2, 0.1, 0.1, 0.9], 2, 4, 0),
    ],
)
def test_stalls_are_counted_against_the_evaluation_before(values, stalls, epochs, best, toy, tmp_path):
    """The rule of Seq-to-Final: not above the one before, so many times in a row; the best may be the start."""
    rows, seen = toy.rows(), []
    settings = {"epochs": len(values) - 1, "stop_after_stalls": stalls, "keep": "best", "keep_start": True}
    done = toy.run(plan(toy, values, seen), tmp_path, log=rows, **settings)
    assert [row["val/selection"] for row in rows] == values[1 : epochs + 1]
    kept = read_predictions(done["train"].folder / "predictions" / "val.parquet")
    assert (kept.logits == seen[0][best].logits).all()


def test_stalls_are_resumed(toy, tmp_path):
    values, settings = [9.0, 1.0, 2.0, 1.0, 1.0, 9.0], {"epochs": 6, "stop_after_stalls": 2, "save_every_epochs": 1}
    toy.run(plan(toy, values), tmp_path / "a", log=(rows := toy.rows()), **settings)
    with pytest.raises(toy.stopped):
        toy.run(plan(toy, values), tmp_path / "b", stop_after=22, log=(again := toy.rows()), **settings)
    toy.run(plan(toy, values[4:]), tmp_path / "b", log=again, **settings)
    assert [row["epoch"] for row in rows] == [row["epoch"] for row in again] == [0, 1, 2, 3, 4]


def test_without_patience_every_epoch_is_trained(toy, tmp_path):
    toy.run(plan(toy, [3.0, 2.0, 1.0, 0.0]), tmp_path, log=(rows := toy.rows()), epochs=4)
    assert len(rows) == 4


def test_patience_needs_something_to_select_by(toy, tmp_path):
    (stage,) = plan(toy)
    bare = dataclasses.replace(stage.prepare({}), evaluate={})
    with pytest.raises(InputError, match=r"fit.patience = 2: stage train has no labelled selection split"):
        toy.run([Stage("train", lambda done: bare)], tmp_path, patience=2)


def test_a_selection_of_its_own_needs_no_labels(toy, tmp_path):
    (stage,) = plan(toy, [1.0, 2.0, 0.0])
    unlabelled = {"val": toy.make_stream(60, seed=8, train=False, labelled=False)}
    task = dataclasses.replace(stage.prepare({}), evaluate=unlabelled)
    toy.run([Stage("train", lambda done: task)], tmp_path, log=(rows := toy.rows()), keep="best")
    assert [row["val/selection"] for row in rows] == [1.0, 2.0, 0.0]


def test_optimisers_with_settings_of_their_own(toy, tmp_path):
    stage = FitConfig(epochs=3, optimizer="sgd", lr=0.1, schedule="cosine")
    slow = FitConfig(lr=0.01, schedule="linear", optimizer="adamw", weight_decay=0.3, epochs=99)
    nets = {"model": toy.net(seed=1), "teacher": toy.net(seed=2)}
    used = []

    def update(batches, step):
        used.append({name: one.param_groups[0]["lr"] for name, one in step.optimizers.items()})
        terms = {
            name: cross_entropy(net(batches["train"].inputs).logits, batches["train"].labels)
            for name, net in nets.items()
        }
        step.backward(sum(terms.values()))
        step.apply()
        return LossTerms(terms)

    task = Task(
        nets,
        {"train": toy.make_stream()},
        update=update,
        evaluate={"val": toy.make_stream(60, seed=8, train=False)},
        optimizers={"student": ["model"], "teacher": ["teacher"]},
        optimizer_fits={"teacher": slow},
    )
    made, _ = make_optimizers(task, stage)
    assert isinstance(made["student"], torch.optim.SGD)
    assert isinstance(made["teacher"], torch.optim.AdamW)
    assert made["teacher"].param_groups[0]["weight_decay"] == 0.3
    toy.run([Stage("train", lambda done: task)], tmp_path, epochs=3, lr=0.1)
    # the length of the stage counts for both
    expected = [{"student": learning_rate(stage, n, 5), "teacher": 0.01 * (1 - n / 15)} for n in range(15)]
    assert used == [pytest.approx(row) for row in expected]


def test_settings_for_an_optimiser_that_is_not_there(toy):
    (stage,) = plan(toy, optimizer_fits={"techer": FitConfig()})
    with pytest.raises(ValueError, match=r"optimizer_fits names \['techer'\], and the optimisers are \['main'\]"):
        make_optimizers(stage.prepare({}), FitConfig())


@pytest.mark.parametrize(("schedule", "last"), [("constant", 0.1), ("plateau", 0.01)])
def test_only_the_plateau_schedule_falls_with_the_selection(schedule, last, toy, tmp_path):
    settings = {"epochs": 4, "lr": 0.1, "schedule": schedule, "step_epochs": 2.0, "step_factor": 0.1}
    toy.run(plan(toy, [3.0, 2.0, 1.0, 0.0]), tmp_path, log=(rows := toy.rows()), **settings)
    assert [row["lr"] for row in rows] == pytest.approx([0.1, 0.1, 0.1, last])


def test_an_optimiser_with_a_plateau_needs_something_to_select_by(toy, tmp_path):
    (stage,) = plan(toy, optimizer_fits={"main": FitConfig(schedule="plateau")})
    bare = dataclasses.replace(stage.prepare({}), evaluate={})
    with pytest.raises(InputError, match=r"fit.schedule = 'plateau': stage train has no labelled selection split"):
        toy.run([Stage("train", lambda done: bare)], tmp_path)


def test_the_start_is_a_candidate_where_asked_for(toy, tmp_path):
    plan_ = plan(toy, [9.0, 1.0, 2.0, 3.0])
    start = {k: v.clone() for k, v in plan_[0].prepare({}).modules["model"].state_dict().items()}
    rows = toy.rows()
    done = toy.run(plan_, tmp_path / "a", log=rows, keep="best", keep_start=True)
    assert [row["val/selection"] for row in rows] == [1.0, 2.0, 3.0]
    assert toy.equal(toy.weights(done), start)
    done = toy.run(plan(toy, [1.0, 2.0, 3.0]), tmp_path / "b", keep="best")
    assert not toy.equal(toy.weights(done), start)
    with pytest.raises(InputError, match=r"fit.keep_start = True needs fit.keep = 'best', got 'last'"):
        toy.run(plan(toy, [1.0]), tmp_path / "c", keep_start=True)


def test_a_start_that_is_best_is_still_so_after_a_kill(toy, tmp_path):
    values, settings = [9.0, 1.0, 2.0, 3.0], {"keep": "best", "keep_start": True}
    straight = toy.run(plan(toy, values), tmp_path / "a", **settings)
    with pytest.raises(toy.stopped):
        toy.run(plan(toy, values), tmp_path / "b", stop_after=12, **settings)
    resumed = toy.run(plan(toy, values[3:]), tmp_path / "b", **settings)
    assert toy.equal(toy.weights(straight), toy.weights(resumed))


def test_a_stage_ends_when_it_gets_worse(toy, tmp_path):
    rows = toy.rows()
    toy.run(plan(toy, [1.0, 3.0, 3.0, 2.0, 9.0]), tmp_path, log=rows, epochs=5, stop_when_worse=True)
    assert [row["val/selection"] for row in rows] == [1.0, 3.0, 3.0, 2.0]


@pytest.mark.parametrize("stop_after", [12, 17])
def test_getting_worse_is_remembered_over_a_kill(toy, tmp_path, stop_after):
    settings = {"epochs": 5, "stop_when_worse": True}
    with pytest.raises(toy.stopped):
        toy.run(plan(toy, [1.0, 3.0, 4.0, 2.0]), tmp_path, stop_after=stop_after, **settings)
    rows, seen = toy.rows(), [1.0, 3.0, 4.0, 2.0][stop_after // 5 :]
    toy.run(plan(toy, [*seen, 9.0]), tmp_path, log=rows, **settings)
    assert [row["val/selection"] for row in rows] == seen
