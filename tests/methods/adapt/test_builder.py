"""The stages of strategies: what each trains on, from where, at which rate, and which of several is gone on with."""

import dataclasses
import types

import pytest
import torch

from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods.adapt.builder import Builder, best_of
from modelheir.methods.adapt.tuning import Tuning
from modelheir.methods.given.steps import steps_of_sources
from modelheir.models import blends
from modelheir.objective.supervised import SupervisedConfig

PAST = [f"synthetic:n=60,classes=3,size=8,seed={seed}" for seed in (8, 9)]


@pytest.fixture
def build(world):
    given = world.given(inputs=InputConfig(augment="none"))
    steps = steps_of_sources([open_splits(one, InputConfig()) for one in PAST], given.data.splits)
    return Builder(
        given, steps, tuning=Tuning(rates=(1.0, 0.25), pulls=(0.1, 10.0)), supervised=SupervisedConfig(), suffix=""
    )


def finished(build, name, *, accuracy=0.5, loss=1.0, seed=3):
    """Return a stage's result with drawn weights."""
    model = dataclasses.replace(build.given.model, seed=seed).build()
    metrics, state = {"val/accuracy": accuracy, "val/loss": loss}, model.state_dict()
    about = {"model": model.spec}
    return types.SimpleNamespace(name=name, metrics=metrics, describe=about, weights=lambda module: state)


def test_a_stage_trains_on_its_steps_and_is_chosen_on_the_newest(build):
    (name,) = build.train("both", [0, 2])
    task = build.stages[name].prepare({})
    parts = build.history.steps
    assert task.streams["train"].ids.tolist() == [*parts[0]["train"].ids, *parts[2]["train"].ids]
    assert task.evaluate["val"].ids.tolist() == parts[2]["val"].ids.tolist()
    assert task.evaluate["test"].ids.tolist() == parts[2]["test"].ids.tolist()
    assert task.fit == build.given.fit


def test_a_stage_of_the_past_is_chosen_on_the_past(build):
    (name,) = build.train("past", [0, 1], select=[0, 1])
    task = build.stages[name].prepare({})
    parts = build.history.steps
    assert task.evaluate["val"].ids.tolist() == [*parts[0]["val"].ids, *parts[1]["val"].ids]


def test_training_goes_on_from_the_best_at_each_rate(build):
    start = ("a", "b")
    done = {"a": finished(build, "a", accuracy=0.5, seed=3), "b": finished(build, "b", accuracy=0.6, seed=4)}
    assert build.train("next", [2], start=start) == ("next",)
    grid = build.stages["next"].prepare(done)
    assert grid.settings == [{"rate": 1.0}, {"rate": 0.25}]
    tasks = [grid.make_task(setting) for setting in grid.settings]
    for task in tasks:
        state = task.modules["model"].state_dict()
        assert all(torch.equal(value, state[key]) for key, value in done["b"].weights("model").items())
    fit = build.given.fit
    assert tasks[0].fit == dataclasses.replace(fit, head_multiplier=1.0)
    assert tasks[1].fit == dataclasses.replace(fit, lr=fit.lr / 4, head_multiplier=1.0)


def test_a_classifier_that_was_trained_learns_as_the_rest_does(build):
    build.given = dataclasses.replace(build.given, fit=dataclasses.replace(build.given.fit, head_multiplier=10.0))
    build.train("first", [0])
    build.train("next", [2], start=("first",), rates=(1.0,))
    first = build.stages["first"].prepare({})
    assert {rate for _, rate, _ in first.parameter_groups(first.modules["model"])} == {1.0, 10.0}
    following = build.stages["next"].prepare({"first": finished(build, "first")})
    assert following.parameter_groups is None


def test_of_equal_accuracies_the_lower_loss_is_best(build):
    done = {
        "a": finished(build, "a", accuracy=0.6, loss=2.0),
        "b": finished(build, "b", accuracy=0.6, loss=1.0),
        "c": finished(build, "c", accuracy=0.5, loss=0.1),
    }
    assert best_of(done, ("a", "b", "c")).name == "b"


def test_a_stage_that_two_strategies_need_is_there_once(build):
    assert build.train("history", [0]) == build.train("history", [0])
    assert list(build.stages) == ["history"]


def test_only_what_is_asked_moves(build):
    (name,) = build.train("probe", [2], start=("a",), layers="head", rates=(1.0,))
    model = build.stages[name].prepare({"a": finished(build, "a")}).modules["model"]
    moving = {key for key, value in model.named_parameters() if value.requires_grad}
    assert moving
    assert moving < {key for key, _ in model.named_parameters()}


def test_images_weigh_as_their_step_says(build):
    """By hand: the mean over the batch of weight times cross-entropy, which divides by the images, not the weights."""
    weights = [0.25, 0.5, 2.0]
    (name,) = build.train("weighted", [0, 1, 2], weights=weights)
    task = build.stages[name].prepare({})
    batch = next(iter(task.streams["train"].epoch(0)))
    of_image = {
        str(one): weight for weight, part in zip(weights, build.history.steps, strict=True) for one in part["train"].ids
    }
    each = torch.tensor([of_image[str(task.streams["train"].ids[row])] for row in batch.index])
    logits = task.modules["model"](batch.inputs).logits
    expected = (each * torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none")).mean()
    step = types.SimpleNamespace(gather=lambda values: values, observe=lambda name, value: None)
    torch.testing.assert_close(task.objective({"train": batch}, step).terms["task"], expected)
    assert len(set(each.tolist())) > 1


def test_a_pull_is_tried_at_each_strength_and_added_to_the_loss(build):
    build.train("pulled", [2], start=("a",), rates=(1.0,), pull="l2_sp", toward=((("a",), (0,)),))
    grid = build.stages["pulled"].prepare({"a": finished(build, "a")})
    assert grid.settings == [{"pull": 0.1}, {"pull": 10.0}]
    found = []
    for setting in grid.settings:
        task = grid.make_task(setting)
        with torch.no_grad():
            for value in task.modules["model"].parameters():
                value.add_(0.5)
        batch = next(iter(task.streams["train"].epoch(0)))
        step = types.SimpleNamespace(gather=lambda values: values, observe=lambda name, value: None)
        found.append(task.objective({"train": batch}, step).terms["pull"].item())
    count = sum(value.numel() for value in build.given.model.build().parameters())
    assert found == pytest.approx([0.1 * 0.25 * count, 10 * 0.25 * count], rel=1e-4)


def test_rates_and_pulls_are_crossed_and_what_they_share_is_made_once(build, monkeypatch):
    """Four settings and a second look at each: one Fisher information, and no two members share a weight."""
    asked, measure = [], blends.fisher_information
    monkeypatch.setattr(blends, "fisher_information", lambda *args: asked.append(1) or measure(*args))
    build.train("pulled", [2], start=("a",), pull="ewc", toward=((("a",), (0,)),))
    grid = build.stages["pulled"].prepare({"a": finished(build, "a")})
    assert grid.settings == [{"rate": rate, "pull": pull} for rate in (1.0, 0.25) for pull in (0.1, 10.0)]
    tasks = [grid.make_task(setting) for setting in [*grid.settings, *grid.settings]]
    assert len(asked) == 1
    weights = [value.data_ptr() for task in tasks for value in task.modules["model"].parameters()]
    assert len(set(weights)) == len(weights)


def test_layers_may_depend_on_what_came_before(build):
    seen = []

    def layers(done, model):
        seen.append(list(done))
        return "head"

    (name,) = build.train("chosen", [2], start=("a",), layers=layers, rates=(1.0,))
    task = build.stages[name].prepare({"a": finished(build, "a")})
    assert seen == [["a"]]
    assert task.describe["layers"] == "head"


def test_replay_adds_images_of_earlier_steps(build):
    (name,) = build.train("replayed", [2], start=("a",), rates=(1.0,), replay=True)
    task = build.stages[name].prepare({"a": finished(build, "a")})
    ids = set(task.streams["train"].ids.tolist())
    own, *earlier = (set(build.history.steps[number]["train"].ids.tolist()) for number in (2, 0, 1))
    assert own < ids
    assert len(ids - own) == len(own)
    assert ids - own <= set.union(*earlier)


def test_steps_seen_apart_share_the_batch_and_the_longest_is_the_epoch(build):
    (name,) = build.train("apart", [0, 1, 2], kind="irm")
    task = build.stages[name].prepare({})
    sizes = {f"step_{number + 1}": len(part["train"]) for number, part in enumerate(build.history.steps)}
    assert next(iter(task.streams)) == max(sizes, key=sizes.get)
    assert set(task.streams) == set(sizes)
    assert all(len(next(iter(stream.epoch(0)))) == build.given.data.batch_size // 3 for stream in task.streams.values())
