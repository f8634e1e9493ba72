"""What a plan is handed, as an ensemble's members get it, and the task that a method makes of it."""

import dataclasses

import numpy as np
import pytest
import torch

from modelheir.methods.given import Given
from modelheir.models import stages
from modelheir.types import LossTerms


def nothing(batches, step):
    return LossTerms({"task": torch.zeros(())})


def test_a_member_sees_further_data_in_an_order_of_its_own(world):
    given = world.given()
    given = dataclasses.replace(given, sources={"pool": dataclasses.replace(given.data, seed=4)})
    assert given.member(0).sources["pool"].seed == 4
    seeds = {given.member(number).sources["pool"].seed for number in range(3)}
    assert len(seeds) == 3


def test_the_seed_of_a_member_is_drawn_from_that_of_the_run_and_its_number(world):
    given = world.given(seed=7)
    for number in (1, 2):
        drawn = int(np.random.SeedSequence([7, number]).generate_state(4)[0])
        member = given.member(number)
        assert member.data.seed == member.model.seed == drawn


def test_further_data_and_models_are_none_unless_a_method_names_them(world):
    given = world.given()
    plain = Given(data=given.data, model=given.model, old=given.old, fit=given.fit)
    assert (plain.sources, plain.models) == ({}, {})


def test_a_task_holds_what_the_method_gives(world):
    given, frozen, state = world.given(), torch.nn.Linear(2, 2), {"bank": object()}
    model, stream = given.model.build(), given.data.stream()
    made = given.task(model, stream, nothing, references={"teacher": frozen}, state=state)
    assert made.modules["model"] is model
    assert made.streams == {"train": stream}
    assert made.objective is nothing
    assert made.references["teacher"] is frozen
    assert made.state == state
    assert {name: len(one.ids) for name, one in made.evaluate.items()} == {
        name: len(given.data.splits[name]) for name in ("val", "test")
    }
    assert made.describe == {"model": model.spec}
    assert made.parameter_groups is None
    bare = given.task({"model": model}, stream, nothing)
    assert (bare.references, bare.state) == ({}, {})


def test_only_what_is_trained_is_restricted_to_what_may_train(world):
    given = world.given(trainable="head")
    trained, kept = given.model.build(), given.model.build()
    further = torch.nn.Linear(2, 2)
    given.task({"model": trained, "further": further}, given.data.stream(), nothing)
    assert {key for key, one in trained.named_parameters() if one.requires_grad} == {"head.weight", "head.bias"}
    assert further.weight.requires_grad
    made = given.task(kept, given.data.stream(), None)
    assert all(one.requires_grad for one in kept.parameters())
    assert (made.streams, made.objective) == ({}, None)


def test_adapters_are_drawn_from_the_seed_of_the_model(world):
    drawn = []
    for seed in (1, 1, 2):
        model = world.given().model.build()
        given = world.changed(world.given(trainable="low_rank:2"), init_seed=seed)
        given.task(model, given.data.stream(), nothing)
        drawn.append({key: value.clone() for key, value in model.state_dict().items()})
    same, other = ([torch.equal(drawn[0][key], one[key]) for key in one] for one in drawn[1:])
    assert all(same)
    assert not all(other)


@pytest.mark.parametrize("wrapped", [False, True])
def test_rates_of_stages_reach_the_model_and_all_else_trains_at_the_runs_rate(world, wrapped):
    given = world.given()
    model = given.model.build()
    names = stages(model)
    rates = tuple(0.5 / (1 + number) for number in range(len(names)))
    given = dataclasses.replace(given, fit=dataclasses.replace(given.fit, lr_multipliers=rates))
    groups = given.task(model, given.data.stream(), nothing).parameter_groups
    assert groups is not None
    module = model
    expected = {id(model.get_parameter(name)): rate for group, rate in zip(names, rates, strict=True) for name in group}
    if wrapped:  # as a transplanted old head stands beside the model
        module = torch.nn.ModuleDict({"model": model, "beside": torch.nn.Linear(2, 2)})
        module.model = model
        expected |= {id(parameter): 1.0 for parameter in module["beside"].parameters()}
    found = {id(one): (rate, decay) for tensors, rate, decay in groups(module) for one in tensors}
    assert found == {one: (rate, None) for one, rate in expected.items()}
    further = torch.nn.Linear(2, 2)
    assert [(list(tensors), rate, decay) for tensors, rate, decay in groups(further)] == [
        (list(further.parameters()), 1.0, None)
    ]
