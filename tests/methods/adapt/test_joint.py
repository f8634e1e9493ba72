"""Copies over time as stages: their loss by hand, what stays frozen, and the model that is published."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from modelheir import models
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods.adapt.builder import Builder
from modelheir.methods.adapt.joint import frozen_past, joint, over_time
from modelheir.methods.adapt.tuning import JointConfig, Tuning
from modelheir.methods.given.steps import steps_of_sources
from modelheir.objective.supervised import SupervisedConfig

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=60,classes=3,size=8,seed=9")
NET = {"model": "blocks_convnet", "kwargs": {"blocks": 1}}


class Step:
    """The least that an objective reads of the engine."""

    @staticmethod
    def gather(values):
        return values

    def observe(self, name, value):
        pass


@pytest.fixture
def build(world):
    given = world.given(inputs=InputConfig(augment="none"), **NET)
    history = steps_of_sources([open_splits(one, InputConfig()) for one in PAST], given.data.splits)
    tuning = Tuning(joint=JointConfig(adjacent_weights=(0.1, 10.0), newest_weight=4.0, side_layer_sizes="block"))
    return Builder(given, history, tuning=tuning, supervised=SupervisedConfig(), suffix="")


def test_the_joint_loss_is_the_benchmark_s(build):
    """By hand: the mean over steps of weighted risks, and the squared distance of consecutive copies."""
    node = joint("separate")(build)
    names = [name for name in build.stages if name.startswith("joint_model_steps")]
    assert names == ["joint_model_steps"]
    assert node == ("joint_model",)
    found = []
    grid = build.stages["joint_model_steps"].prepare({})
    assert grid.settings == [{"adjacent_weight": 0.1}, {"adjacent_weight": 10.0}]
    for setting in grid.settings:
        task = grid.make_task(setting)
        model = task.modules["model_over_time"].eval()
        batches = {key: next(iter(stream.epoch(0))) for key, stream in task.streams.items()}
        terms = task.objective(batches, Step()).terms
        risks = [
            F.cross_entropy(model(batches[f"step_{t + 1}"].inputs, t).logits, batches[f"step_{t + 1}"].labels)
            for t in range(3)
        ]
        torch.testing.assert_close(terms["task"], (risks[0] + risks[1] + 4 * risks[2]) / 3)
        apart = sum(
            (a - b).square().sum()
            for layer in model.names
            for t in range(2)
            for a, b in zip(model.held(layer)[t].parameters(), model.held(layer)[t + 1].parameters(), strict=True)
        )
        found.append((terms["adjacent"].item(), apart.item()))
    assert found[0][0] == pytest.approx(0.1 * found[0][1], rel=1e-4)
    assert found[1][0] == pytest.approx(10 * found[1][1], rel=1e-4)


@pytest.mark.parametrize("name", ["joint_model", "joint_side_tune", "erm_side_tune", "sequential_low_rank_adapt"])
def test_what_is_published_says_what_the_newest_step_says(world, name):
    """An ordinary classifier, built from its description alone."""
    settings = {"joint__adjacent_weights": (0.1,)} if name.startswith("joint_") else {"rates": (1.0,)}
    settings |= {"joint__side_layer_sizes": "block"} if name.endswith("side_tune") else {}
    given = world.given(**NET)
    done = world.run("adapt", "run", given=given, history=PAST, strategies=(name,), seeds=1, **settings)
    published = done[name]
    model = models.from_spec(published.describe["model"])
    model.load_state_dict(published.weights("model"))
    source = done[published.describe["from"]]
    assert published.metrics["val/accuracy"] == source.metrics["val/accuracy"]
    assert published.metrics["val/loss"] == pytest.approx(source.metrics["val/loss"], rel=1e-4)
    assert done["choice"].metrics["val/loss"] == pytest.approx(source.metrics["val/loss"], rel=1e-4)


def test_the_past_stays_bit_for_bit(world):
    given = world.given(**NET)
    done = world.run(
        "adapt", "run", given=given, history=PAST, strategies=("erm_side_tune",), seeds=1,
        joint__side_layer_sizes="block",
    )  # fmt: skip
    past, now = done["history"].weights("model"), done["erm_side_tune_copies"].weights("model_over_time")
    same = [key.removeprefix("body.").partition(".") for key in past if key.startswith(("body.conv1", "body.layer1"))]
    assert same
    for layer, _, rest in same:
        assert torch.equal(now[f"copies.{layer}.0.{rest}"], past[f"body.{layer}.{rest}"]), (layer, rest)


def test_a_step_begins_as_the_one_before_it(build, world):
    """Low-rank changes are none at first, so that the newest step says what the past says."""
    frozen_past("low_rank_adapt")(build)
    done = world.run("adapt", "run", given=build.given, history=PAST, strategies=("erm_final",), seeds=1)
    done = {**done, "history": done["erm_final"]}
    task = build.stages["erm_low_rank_adapt_copies"].prepare(done)
    model, past = task.modules["model_over_time"].eval(), build.model(done, ("history",)).eval()
    batch = next(iter(task.streams["train"].epoch(0)))
    torch.testing.assert_close(model(batch.inputs, -1).logits, past(batch.inputs).logits)


def test_layers_may_be_shared(build):
    build.tuning = Tuning(joint=JointConfig(layers="fc"))
    model = over_time(build, "separate", 3)
    assert {name: len(model.held(name)) for name in model.names} == {"conv1": 1, "layer1": 1, "fc": 3}


def test_a_network_without_such_layers_is_refused_before_training(world):
    given = world.given(model="convnet")
    with pytest.raises(InputError, match="convnet cannot change layer by layer over time"):
        world.plan("adapt", given, history=PAST, strategies=("joint_model",), seeds=1)


def test_an_unknown_layer_is_answered_with_the_nearest(world):
    with pytest.raises(InputError, match=r"'layer2'.*Did you mean 'layer1'"):
        world.plan("adapt", world.given(**NET), history=PAST, strategies=("joint_model",), joint__layers="layer2")


def settled(build, **settings):
    build.tuning = Tuning(joint=JointConfig(**settings))
    return build


def test_a_search_tries_every_set_of_layers(build, world):
    node = joint("separate")(settled(build, layers="search", adjacent_weights=(0.1,)))
    layers = ("conv1", "layer1", "fc")
    sets = [set(name.removeprefix("joint_model_steps_").split("+")) for name in build.stages if "_steps_" in name]
    wanted = [set(some) for size in (1, 2, 3) for some in itertools.combinations(layers, size)]
    assert sets == wanted
    assert node == ("joint_model",)
    task = build.stages["joint_model_steps_conv1+fc"].prepare({})
    model = task.modules["model_over_time"]
    assert {name: len(model.held(name)) for name in model.names} == {"conv1": 3, "layer1": 1, "fc": 3}
    assert task.describe["layers"] == "conv1,fc"


def test_the_best_set_of_layers_is_published(world):
    given = world.given(**NET)
    own = {"joint__layers": "search", "joint__adjacent": "none", "seeds": 1}
    done = world.run("adapt", "run", given=given, history=PAST[:1], strategies=("joint_model",), **own)
    tried = [one for name, one in done.items() if "_steps_" in name]
    assert len(tried) == 7
    best = max(one.metrics["val/accuracy"] for one in tried)
    published = done["joint_model"]
    assert published.metrics["val/accuracy"] == best == done[published.describe["from"]].metrics["val/accuracy"]
    assert published.describe["layers"] == done[published.describe["from"]].describe["layers"]


def test_fisher_weights_go_on_after_an_interruption(world):
    own = {"history": PAST, "strategies": ("joint_model",), "seeds": 1}
    own |= {"joint__adjacent": "l2_fisher", "joint__adjacent_weights": (0.1, 1.0)}
    given = world.given(**NET)
    with pytest.raises(KeyboardInterrupt):
        world.run("adapt", "broken", given=given, stop_after=20, **own)
    found = [
        world.run("adapt", name, given=given, **own)["joint_model"].weights("model") for name in ("broken", "whole")
    ]
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[1])


def test_penalties_by_time_reach_the_optimiser(build):
    joint("separate")(settled(build, penalty_by_time=True, adjacent="none"))
    task = build.stages["joint_model_steps"].prepare({})
    groups = task.parameter_groups(task.modules["model_over_time"])
    decays = sorted({decay for some, _, decay in groups if some})
    assert decays == pytest.approx([5e-4 / 3, 5e-4 / 2, 5e-4])


def test_decays_of_side_modules_are_tried(build):
    own = {"efficient_decays": (0.0, 0.5), "adjacent_weights": (0.1, 1.0), "side_layer_sizes": "block"}
    joint("side_tune")(settled(build, **own))
    grid = build.stages["joint_side_tune_steps"].prepare({})
    assert [tuple(one.values()) for one in grid.settings] == [(0.1, 0.0), (0.1, 0.5), (1.0, 0.0), (1.0, 0.5)]
    for setting in grid.settings:
        task = grid.make_task(setting)
        model = task.modules["model_over_time"]
        own = {id(one) for one in model.held("layer1")[2].parameters()}
        groups = task.parameter_groups(model)
        assert {decay for some, _, decay in groups for one in some if id(one) in own} == {setting["efficient_decay"]}


def test_without_side_modules_steps_share_their_blocks(world):
    own = {"history": PAST, "strategies": ("joint_side_tune",), "seeds": 1, "joint__side_layer_sizes": "block"}
    own |= {"joint__ablate": True, "joint__all_layers_efficient": True}
    done = world.run("adapt", "run", given=world.given(**NET), **own)
    steps, published = done["joint_side_tune_steps"], done["joint_side_tune"]
    assert set(steps.weights("model_over_time")) == {
        key for key in steps.weights("model_over_time") if key.split(".")[2] == "0"
    }
    assert published.metrics["val/loss"] == pytest.approx(steps.metrics["val/loss"], rel=1e-4)


def test_where_nothing_is_copied_there_is_no_distance(build):
    joint("separate")(settled(build, layers="none"))
    assert [name for name in build.stages if "_steps" in name] == ["joint_model_steps"]
    task = build.stages["joint_model_steps"].prepare({})
    batches = {key: next(iter(stream.epoch(0))) for key, stream in task.streams.items()}
    assert set(task.objective(batches, Step()).terms) == {"task"}
