"""Strategies: which steps each trains on, in which order, and from where."""

import types

import pytest

from modelheir import models
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods.adapt.builder import Builder
from modelheir.methods.adapt.strategies import STRATEGIES
from modelheir.methods.adapt.tuning import Tuning
from modelheir.methods.given.steps import steps_of_sources
from modelheir.objective.supervised import SupervisedConfig

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=60,classes=3,size=8,seed=9")


@pytest.fixture
def build(world):
    given = world.given()
    steps = steps_of_sources([open_splits(one, InputConfig()) for one in PAST], given.data.splits)
    return Builder(given, steps, tuning=Tuning(), supervised=SupervisedConfig(), suffix="")


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
        ("irm_all", ["irm_all"]),
        ("dro_fine_tune", ["history_dro", "dro_fine_tune"]),
        ("l2_fine_tune", ["history", "l2_fine_tune"]),
        ("low_rank_fine_tune", ["history", "low_rank_fine_tune"]),
        ("sequential_ewc", ["step_1", "ewc_step_2", "ewc_step_3"]),
        ("sequential_replay", ["step_1", "replay_step_2", "replay_step_3"]),
        ("sequential_average", ["step_1", "step_2", "step_3", "sequential_average"]),
    ],
)
def test_stages_come_in_the_order_in_which_they_need_each_other(build, name, stages):
    node = STRATEGIES[name].build(build)
    assert list(build.stages) == stages
    assert node == (stages[-1],)


def ids(build, stage, done):
    return set(build.stages[stage].prepare(done).streams["train"].ids.tolist())


def test_each_trains_on_its_steps(build, world):
    every = [set(part["train"].ids.tolist()) for part in build.history.steps]
    for name in ("erm_final", "erm_all", "erm_all_weighted", "erm_fine_tune"):
        STRATEGIES[name].build(build)
    assert ids(build, "erm_final", {}) == every[2]
    assert ids(build, "erm_all", {}) == ids(build, "erm_all_weighted", {}) == set.union(*every)
    assert ids(build, "history", {}) == every[0] | every[1]


def test_history_that_is_one_step_has_no_domains(world):
    given = world.given()
    steps = steps_of_sources([open_splits(PAST[0], InputConfig())], given.data.splits)
    build = Builder(given, steps, tuning=Tuning(), supervised=SupervisedConfig(), suffix="")
    STRATEGIES["irm_fine_tune"].build(build)
    assert list(build.stages["history_irm"].prepare({}).streams) == ["train"]


@pytest.mark.parametrize(
    ("name", "first", "last"), [("first_to_last", "stage:0", None), ("last_to_first", None, "head")]
)
def test_gradual_unfreezing_has_a_stage_for_each_part_of_the_network(build, name, first, last):
    count = len(models.stages(build.given.model.build()))
    node = STRATEGIES[f"gradual_unfreeze_{name}"].build(build)
    stages = [one for one in build.stages if one.startswith("gradual")]
    assert [one.rpartition("_")[2] for one in stages] == [str(size) for size in range(1, count + 1)]
    assert node == (stages[-1],)


def test_each_size_of_a_surgery_is_a_candidate(build):
    count = len(models.stages(build.given.model.build()))
    node = STRATEGIES["surgical_rgn"].build(build)
    assert node == tuple(f"surgical_rgn_{size}" for size in range(1, count + 1))


def test_the_weights_of_steps_are_those_of_the_benchmark(build, monkeypatch):
    seen = {}
    monkeypatch.setattr(Builder, "train", lambda self, name, numbers, **given: seen.update(given))
    STRATEGIES["erm_all_weighted"].build(build)
    assert seen["weights"] == pytest.approx([1 / 3, 1 / 2, 1])


def result(build, name):
    """Return a finished stage with first weights, for stages that begin from it."""
    model = build.given.model.build()
    about = {"model": model.spec}
    metrics = {"val/accuracy": 0.5, "val/loss": 1.0}
    return types.SimpleNamespace(name=name, metrics=metrics, describe=about, weights=lambda module: model.state_dict())


def prepared(build, name, *before):
    return build.stages[name].prepare({one: result(build, one) for one in before})


@pytest.mark.parametrize(("name", "kind"), [("irm_fine_tune", "irm"), ("dro_fine_tune", "group_dro")])
def test_a_past_of_several_steps_is_seen_step_by_step(build, name, kind):
    STRATEGIES[name].build(build)
    stage = next(one for one in build.stages if one.startswith("history_"))
    task = prepared(build, stage)
    assert set(task.streams) == {"step_1", "step_2"}
    assert task.objective.kind == kind
    past = [part["val"].ids.tolist() for part in build.history.steps[:2]]
    assert task.evaluate["val"].ids.tolist() == [*past[0], *past[1]]


def test_a_sequence_trains_and_chooses_on_its_own_step(build):
    STRATEGIES["sequential_fine_tune"].build(build)
    for number, part in enumerate(build.history.steps, 1):
        task = prepared(build, f"step_{number}", f"step_{number - 1}")
        assert task.streams["train"].ids.tolist() == part["train"].ids.tolist()
        assert task.evaluate["val"].ids.tolist() == part["val"].ids.tolist()


def test_only_the_classifier_is_probed_and_then_all_moves(build):
    STRATEGIES["linear_probe_fine_tune"].build(build)
    probe = prepared(build, "linear_probe", "history").modules["model"]
    assert {name.split(".")[0] for name, value in probe.named_parameters() if value.requires_grad} == {"head"}
    whole = prepared(build, "linear_probe_fine_tune", "linear_probe").modules["model"]
    assert all(value.requires_grad for value in whole.parameters())


@pytest.mark.parametrize(("name", "first"), [("first_to_last", 0), ("last_to_first", -1)])
def test_unfreezing_begins_at_its_end_and_comes_to_all(build, name, first):
    STRATEGIES[f"gradual_unfreeze_{name}"].build(build)
    groups = models.stages(build.given.model.build())
    for size in range(1, len(groups) + 1):
        before = f"gradual_unfreeze_{name}_{size - 1}" if size > 1 else "history"
        model = prepared(build, f"gradual_unfreeze_{name}_{size}", before).modules["model"]
        moving = {key for key, value in model.named_parameters() if value.requires_grad}
        chosen = groups[:size] if first == 0 else groups[-size:]
        assert moving == {key for group in chosen for key in group}
