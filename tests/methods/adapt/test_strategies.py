"""Strategies: which steps each trains on, in which order, and from where."""

import dataclasses
import types

import pytest

from modelheir import models
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods import METHODS
from modelheir.methods.adapt.builder import Builder
from modelheir.methods.adapt.strategies import STRATEGIES
from modelheir.methods.adapt.tuning import JointConfig, Tuning
from modelheir.methods.given.steps import steps_of_sources
from modelheir.objective.supervised import SupervisedConfig

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=60,classes=3,size=8,seed=9")
BLOCK = JointConfig(side_layer_sizes="block")  #: what suits every network that side modules can stand beside


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
        ("dawin", ["history", "erm_fine_tune", "dawin"]),
        ("irm_all", ["irm_all"]),
        ("dro_fine_tune", ["history_dro", "dro_fine_tune"]),
        ("l2_fine_tune", ["history", "l2_fine_tune"]),
        ("low_rank_fine_tune", ["history", "low_rank_fine_tune"]),
        ("sequential_ewc", ["step_1", "ewc_step_2", "ewc_step_3"]),
        ("sequential_l2", ["step_1", "l2_step_2", "l2_step_3"]),
        ("sequential_l1", ["step_1", "l1_step_2", "l1_step_3"]),
        ("sequential_fisher", ["step_1", "fisher_step_2", "fisher_step_3"]),
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


@pytest.mark.parametrize(
    ("kind", "schedules"),
    [
        ("linear", {"linear1_0.1": [1, 0.9, 0.8], "linear0.1_0.01": [0.1, 0.09, 0.08]}),
        (
            "exponential",
            {
                "exponential2_0.5": [2, 1, 0.5],
                "exponential0.2_0.5": [0.2, 0.1, 0.05],
                "exponential0.2_0.75": [0.2, 0.15, 0.1125],
            },
        ),
    ],
)
def test_rates_fall_from_step_to_step_in_every_published_schedule(build, kind, schedules):
    """The published rates with the run's own in the place of 1e-3; a source is trained once a first rate."""
    node = STRATEGIES[f"sequential_fine_tune_{kind}_lr_decay"].build(build)
    assert node == tuple(f"{name}_step_3" for name in schedules)
    for name, expected in schedules.items():
        first = "step_1" if expected[0] == 1 else f"step_1_rate{expected[0]:g}"
        chain = [first, f"{name}_step_2", f"{name}_step_3"]
        found = []
        for stage, before in zip(chain, ["", *chain], strict=False):
            task = prepared(build, stage, before)
            found.append((task.fit or build.given.fit).lr / build.given.fit.lr)
        assert found == pytest.approx(expected)
    sources = {name for name in build.stages if name.startswith("step_1")}
    assert sources == {f"step_1_rate{one:g}" if one != 1 else "step_1" for one in {s[0] for s in schedules.values()}}


def test_linear_decay_over_many_steps_is_refused_before_training(build, monkeypatch):
    monkeypatch.setattr(type(build.history), "__len__", lambda self: 11)
    with pytest.raises(InputError, match=r"linear decay of the learning rate.*leaves no rate at step 10"):
        STRATEGIES["sequential_fine_tune_linear_lr_decay"].build(build)


@pytest.mark.parametrize(
    ("name", "stage", "kind", "toward"),
    [
        ("sequential_l2", "l2_step_3", "l2_sp", ["l2_step_2"]),
        ("sequential_l1", "l1_step_3", "l1_sp", ["l1_step_2"]),
        ("sequential_fisher", "fisher_step_3", "ewc", ["fisher_step_2"]),
        ("sequential_ewc", "ewc_step_3", "ewc", ["step_1", "ewc_step_2"]),
    ],
)
@pytest.mark.parametrize("start_anew", [False, True])
def test_steps_are_pulled_to_earlier_ones(build, monkeypatch, name, stage, kind, toward, start_anew):
    """To the step before, by EWC to all; the start is the step before, or drawn, whatever the pull."""
    build.tuning = Tuning(start_anew=start_anew)
    made = []
    plain = Builder.train
    monkeypatch.setattr(Builder, "train", lambda self, *a, **given: made.append((a, given)) or plain(self, *a, **given))
    STRATEGIES[name].build(build)
    (last,) = [given for a, given in made if a[0] == stage]
    assert last["pull"] == kind
    assert [node for node, _ in last["toward"]] == [(one,) for one in toward]
    assert [steps for _, steps in last["toward"]] == [(number,) for number in range(2 - len(toward), 2)]
    assert last["start"] == (() if start_anew else (toward[-1],))
    assert build.before[stage] == (2, (toward[-1],))


def test_a_fresh_start_under_a_pull_begins_from_drawn_weights(build):
    build.tuning = Tuning(start_anew=True)
    for name in ("l2_fine_tune", "erm_fine_tune"):
        STRATEGIES[name].build(build)
    past = result(build, "history")
    state = {key: value + 1 for key, value in build.given.model.build().state_dict().items()}
    past.weights = lambda module: state
    task = build.stages["l2_fine_tune"].prepare({"history": past})
    drawn, ours = build.given.model.build().state_dict(), task.modules["model"].state_dict()
    assert all((ours[key] == drawn[key]).all() for key in drawn)
    batch = next(iter(task.streams["train"].epoch(0)))
    step = types.SimpleNamespace(gather=lambda values: values, observe=lambda name, value: None)
    count = sum(value.numel() for value in task.modules["model"].parameters())
    assert task.objective({"train": batch}, step).terms["pull"].item() == pytest.approx(count, rel=1e-4)
    plain = build.stages["erm_fine_tune"].prepare({"history": past}).modules["model"].state_dict()
    assert all((plain[key] == state[key]).all() for key in drawn)  # without a pull the past is the start


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_recipe_is_read_by_the_strategies_that_say_so(world, name):
    """What the settings declare as read, and what stages come out, agree for every strategy."""

    def stages(layers):
        given = world.given(model="blocks_convnet", kwargs={"blocks": 1})
        steps = steps_of_sources([open_splits(one, InputConfig()) for one in PAST], given.data.splits)
        build = Builder(
            given, steps, tuning=Tuning(layers=layers, joint=BLOCK), supervised=SupervisedConfig(), suffix=""
        )
        STRATEGIES[name].build(build)
        return list(build.stages)

    declared = "layers" not in METHODS["adapt"].config(strategies=(name,)).unread()
    assert (stages("all") != stages("fc-all")) == declared


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_pull_is_read_by_the_strategies_that_say_so(build, name, monkeypatch):
    build.given = dataclasses.replace(build.given, model=dataclasses.replace(build.given.model, name="blocks_convnet"))
    build.tuning = Tuning(pulls=(1.0, 2.0), joint=BLOCK)
    tried, plain = set(), Builder.tune

    def tune(self, stage, settings, prepare):
        tried.update(setting.get("pull") for setting in settings)
        return plain(self, stage, settings, prepare)

    monkeypatch.setattr(Builder, "tune", tune)
    STRATEGIES[name].build(build)
    aside = METHODS["adapt"].config(strategies=(name,)).unread()
    assert ("pulls" in aside) == ("start_anew" in aside) == (2.0 not in tried)
