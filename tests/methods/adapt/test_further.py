"""Going on from the best setting: which weights it begins from, under which setting, and what is taken in the end."""

import types

import pytest
import torch

from modelheir import models
from modelheir.methods import METHODS
from modelheir.methods.adapt.strategies import STRATEGIES

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=60,classes=3,size=8,seed=9")
NET = {"model": "blocks_convnet", "kwargs": {"blocks": 1}}


def planned(world, **settings):
    given = world.given(**settings.pop("network", {}))
    settings = {"history": PAST, "seeds": 1, **settings}
    return world.plan("adapt", given, **settings), world.run("adapt", "run", given=given, **settings)


@pytest.mark.parametrize("name", ["erm_fine_tune", "low_rank_fine_tune", "l2_fine_tune"])
def test_the_best_setting_goes_on_from_its_weights_for_as_many_epochs(world, name):
    plan, done = planned(world, strategies=(name,), rates=(1.0, 0.25), pulls=(0.1, 1.0), further=3)
    task = next(one for one in plan if one.name == f"{name}_further").prepare(done)
    grid = done[name].describe["grid"]
    setting = grid["members"][grid["chosen"]]["setting"]
    assert task.fit.epochs == 3
    assert task.fit.lr == pytest.approx(world.fit.lr * setting["rate"])
    batch = next(iter(task.evaluate["val"].epoch(0)))
    best = models.from_spec(done[name].describe["model"])
    best.load_state_dict(done[name].weights("model"))
    ours = task.modules["model"].eval()(batch.inputs).logits
    torch.testing.assert_close(ours, best.eval()(batch.inputs).logits)
    if name == "l2_fine_tune":  # pulled as strongly as before, to the same weights
        past = done["history"].weights("model")
        apart = sum((value - past[key]).square().sum() for key, value in done[name].weights("model").items())
        step = types.SimpleNamespace(gather=lambda values: values, observe=lambda key, value: None)
        batch = next(iter(task.streams["train"].epoch(0)))
        found = task.objective({"train": batch}, step).terms["pull"]
        torch.testing.assert_close(found, setting["pull"] * apart)


def test_the_better_of_the_two_is_taken(world):
    _, done = planned(world, strategies=("erm_final",), further=2)
    row = done["choice"].describe["rows"]["strategy/erm_final"]
    both = [done[name].metrics["val/accuracy"] for name in ("erm_final", "erm_final_further")]
    assert row["selection"] == max(both)
    assert row["stages"][0] in ("erm_final", "erm_final_further")


def test_copies_over_time_go_on_together(world):
    _, done = planned(
        world, network=NET, strategies=("joint_model",), joint__adjacent_weights=(0.1,), rates=(1.0,), further=1
    )
    assert list(done) == ["joint_model_steps", "joint_model_further", "joint_model", "choice"]
    best = max(list(done.values())[:2], key=lambda one: (one.metrics["val/accuracy"], -one.metrics["val/loss"]))
    assert done["joint_model"].describe["from"] == best.name
    assert done["joint_model_further"].describe["from"] == "joint_model_steps"


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_that_ends_in_a_training_goes_on(world, name):
    given = world.given(**NET)
    settings = {"history": PAST, "strategies": (name,), "seeds": 1, "further": 1}
    if name.endswith("side_tune"):
        settings["joint__side_layer_sizes"] = "block"
    plan = world.plan("adapt", given, **settings)
    found = f"{name}_further" in [stage.name for stage in plan]
    assert found == ("further" not in METHODS["adapt"].config(strategies=(name,)).unread())


def test_without_it_nothing_goes_on(world):
    names = [stage.name for stage in world.plan("adapt", history=PAST, strategies=("erm_final",), seeds=1)]
    assert names == ["erm_final", "choice"]


def test_it_is_resumed_to_the_same_numbers(world):
    settings = {"history": PAST, "strategies": ("erm_final",), "seeds": 1, "further": 2}
    first = world.run("adapt", "first", **settings)
    with pytest.raises(KeyboardInterrupt):
        world.run("adapt", "second", stop_after=14, **settings)
    second = world.run("adapt", "second", **settings)
    assert {key: one.metrics for key, one in first.items()} == {key: one.metrics for key, one in second.items()}
