"""A method that runs on several processes counts the images of all of them."""

import dataclasses

import pytest
import torch

from modelheir.methods import METHODS


class Step:
    """A step of one process, or of two: the images of the other one then count for nothing."""

    epoch, number = 0, 0

    def __init__(self, processes):
        self.processes = processes

    def gather(self, values):
        return torch.cat([values, torch.zeros_like(values)]) if self.processes == 2 else values

    @staticmethod
    def observe(name, value):
        pass


@pytest.mark.parametrize(
    ("name", "settings", "terms"),
    [
        ("upgrade", {}, ["kl_distillation"]),
        ("upgrade", {"scheme": "muscle"}, ["muscle"]),
        ("upgrade", {"scheme": "double_source"}, ["double_source"]),
        ("elodi", {"members": 1, "old_pull__weight": 1.0}, ["ensemble", "old"]),
        ("bct", {}, ["old_head"]),
        ("self_distill", {"length": 1, "distance__loss": "logit_matching"}, ["bank"]),
    ],
)
def test_the_mean_of_two_processes_is_that_over_the_images_that_count(world, name, settings, terms):
    """One process has all that count, so its mean is twice as large: the average of both is the mean over all."""
    given = world.given(fit=dataclasses.replace(world.fit, epochs=3))
    config = world.config(name, **settings)
    plan = METHODS[name].plan(config, given)
    done = {stage.name: _Untrained(given) for stage in plan[:-1]}
    made = plan[-1].prepare(done)
    batch = next(made.streams["train"].epoch(0))
    for _ in range(2 if made.state else 0):  # until the bank is full
        made.objective({"train": batch}, Step(1))
    with torch.no_grad():
        made.modules["model"].head.bias.add_(1)  # what the model says now is not what it said
    kept = {key: {k: v.clone() for k, v in one.state_dict().items()} for key, one in made.state.items()}
    one = made.objective({"train": batch}, Step(1)).terms
    for key, state in kept.items():
        made.state[key].load_state_dict(state)
    two = made.objective({"train": batch}, Step(2)).terms
    for term in terms:
        assert one[term] > 0
        torch.testing.assert_close(two[term], 2 * one[term])
    torch.testing.assert_close(two["task"], one["task"])


class _Untrained:
    """The result of a stage that trained nothing, with weights of its own."""

    def __init__(self, given):
        self.state = given.member(3).model.build().state_dict()

    def weights(self, name):
        return self.state
