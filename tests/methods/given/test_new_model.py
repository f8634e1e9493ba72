"""The network to train: where it begins from trained weights, those decide how it is built."""

import pytest
import torch

from modelheir.checks import InputError
from modelheir.models import load


def begin(world, start, **given):
    return world.given(**given).model.begin_from(load(start))


def test_a_network_is_built_as_it_is_asked_for(world):
    given = world.given(model="convnet", dropout=0.25)
    built = given.model.build()
    assert (built.spec["name"], built.spec["network"]["dropout"]) == ("convnet", 0.25)
    assert (built.classes, built.image_size) == (given.data.classes, 8)
    again, other = (world.changed(given, init_seed=seed).model.build().head.weight for seed in (1, 2))
    assert torch.equal(built.head.weight, again)
    assert not torch.equal(built.head.weight, other)


def test_settings_of_the_network_that_a_start_was_not_built_with_are_refused(world):
    start = world.save_model("start", dropout=0.25)
    assert begin(world, start).spec["network"]["dropout"] == 0.25
    assert begin(world, start, dropout=0.25).spec["network"]["dropout"] == 0.25
    with pytest.raises(InputError, match=r"network\.dropout = 0\.5 does not reach .* built with 0\.25"):
        begin(world, start, dropout=0.5)
    with pytest.raises(InputError, match=r"network\.mean = \(0\.1, 0\.2, 0\.3\) does not reach .* built with \[\]"):
        begin(world, start, mean=(0.1, 0.2, 0.3))


def test_what_a_start_was_built_with_may_be_said_again(world):
    values = {"mean": (0.1, 0.2, 0.3), "kwargs": {"hidden": [16]}, "head": "cosine"}
    start = world.save_model("start", **values)
    assert begin(world, start, **values).spec["network"]["kwargs"] == {"hidden": [16]}


@pytest.mark.parametrize("classes", [None, ("yes", "no")])
def test_another_network_than_that_of_the_start_is_refused(world, classes):
    start = world.save_model("start", model="convnet", classes=classes)
    with pytest.raises(InputError, match=r"--model mlp is asked for, but training begins from .* a convnet"):
        begin(world, start)
    assert begin(world, start, model="convnet").spec["name"] == "convnet"


def test_every_method_that_begins_from_weights_refuses_what_does_not_reach_them(world):
    for name, settings in (
        ("finetune", {"start": world.old}),
        ("upgrade", {"start_from_old": True}),
        ("elodi", {"start_from_old": True, "ensemble": (world.old,)}),
        ("interpolate", {}),
    ):
        plan = world.plan(name, world.given(dropout=0.5), **settings)
        stage = plan[-1] if name == "elodi" else plan[0]
        with pytest.raises(InputError, match=r"network\.dropout = 0\.5 does not reach"):
            stage.prepare({})


def test_a_start_of_the_same_classes_is_copied_with_its_head_and_of_others_only_where_classes_are_shared(world):
    given = world.given()
    same = load(world.save_model("same", seed=8))
    begun = given.model.begin_from(same)
    assert torch.equal(begun.head.weight, same.head.weight)
    assert begun is not same
    two = load(world.save_model("two", classes=given.data.classes[:2], seed=8))
    grown = given.model.begin_from(two)
    assert grown.classes == given.data.classes
    assert torch.equal(grown.head.weight[:2], two.head.weight)
    assert torch.equal(grown.head.weight[2], given.model.build().head.weight[2])


def test_members_of_an_ensemble_differ_in_weights_and_in_order_from_the_run_and_each_other(world):
    given = world.given()
    members = [given, given.member(1), given.member(2)]
    assert given.member(0) is given
    assert len({one.data.seed for one in members}) == len({one.model.seed for one in members}) == 3
    heads = [one.model.build().head.weight for one in members]
    orders = [next(one.data.stream().epoch(0)).index.tolist() for one in members]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not torch.equal(heads[a], heads[b])
        assert orders[a] != orders[b]
