"""Strategies: which steps each trains on, in which order, and from where."""

import pytest
import torch

from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods.adapt.builder import Builder
from modelheir.methods.adapt.strategies import STRATEGIES
from modelheir.methods.given.steps import steps_of_sources
from modelheir.models import blends
from modelheir.objective.supervised import SupervisedConfig

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=60,classes=3,size=8,seed=9")


@pytest.fixture
def build(world):
    given = world.given()
    steps = steps_of_sources([open_splits(one, InputConfig()) for one in PAST], given.data.splits)
    return Builder(given, steps, rates=(1.0,), supervised=SupervisedConfig(), suffix="")


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("erm_final", ["erm_final"]),
        ("erm_all", ["erm_all"]),
        ("erm_all_weighted", ["erm_all_weighted"]),
        ("erm_fine_tune", ["history", "erm_fine_tune"]),
        ("linear_probe_fine_tune", ["history", "linear_probe", "linear_probe_fine_tune"]),
        ("sequential_fine_tune", ["step_1", "step_2", "step_3"]),
        ("wise_ft", ["history", "erm_fine_tune", "wise_ft"]),
    ],
)
def test_stages_come_in_the_order_in_which_they_need_each_other(build, name, stages):
    node = STRATEGIES[name].build(build)
    assert list(build.stages) == stages
    assert node == (stages[-1],)


def ids(build, stage, done):
    return set(build.stages[stage].prepare(done).streams["train"].ids.tolist())


def test_each_trains_on_its_steps(build, world):
    every = [set(part["train"].ids.tolist()) for part in build.steps.parts]
    for name in ("erm_final", "erm_all", "erm_all_weighted", "erm_fine_tune"):
        STRATEGIES[name].build(build)
    assert ids(build, "erm_final", {}) == every[2]
    assert ids(build, "erm_all", {}) == ids(build, "erm_all_weighted", {}) == set.union(*every)
    assert ids(build, "history", {}) == every[0] | every[1]


def test_the_weights_of_steps_are_those_of_the_benchmark(build, monkeypatch):
    seen = {}
    monkeypatch.setattr(Builder, "train", lambda self, name, numbers, **given: seen.update(given))
    STRATEGIES["erm_all_weighted"].build(build)
    assert seen["weights"] == pytest.approx([1 / 3, 1 / 2, 1])


def test_wise_ft_is_the_blend_that_is_best_on_selection(world):
    done = world.run("adapt", "run", history=PAST, strategies=("wise_ft",), seeds=1, rates=(1.0,))
    about = done["wise_ft"].describe
    scores = dict(map(tuple, about["scores"]))
    assert scores[about["share of the past"]] == max(scores.values())
    past, present = done["history"].weights("model"), done["erm_fine_tune"].weights("model")
    expected = blends.interpolate(past, present, about["share of the past"])
    for key, value in done["wise_ft"].weights("model").items():
        torch.testing.assert_close(value, expected[key])
    assert scores[0.0] == pytest.approx(done["erm_fine_tune"].metrics["val/accuracy"])
