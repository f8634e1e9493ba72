"""A batch once more: what it draws, and what remains of it."""

import pytest
import torch
from torch import nn

from modelheir.objective.subspace.replay import Draws, Listening, replayed


def states(step):
    return [torch.default_generator.get_state(), step.generator.get_state()]


def test_draws_the_same_and_leaves_generators_and_buffers_as_they_were(plane):
    model = plane.net(dropout=0.5)
    step, x = plane.step(model), plane.batch()["train"].inputs
    draws = Draws(step)
    first = model(x), torch.rand(3, generator=step.generator)
    after, buffers = states(step), {name: one.clone() for name, one in model.named_buffers()}
    for less in (False, True):
        with replayed(model, step, draws):
            found = (model(x),) if less else (model(x), torch.rand(3, generator=step.generator))
        assert all(torch.equal(one, other) for one, other in zip(found, first, strict=False))
        assert all(torch.equal(one, other) for one, other in zip(states(step), after, strict=True))
        assert all(torch.equal(one, buffers[name]) for name, one in model.named_buffers())
    assert not torch.equal(model(x), first[0])  # what comes next draws anew


def test_takes_back_also_where_a_pass_fails_or_puts_another_buffer(plane):
    model = plane.net()
    step, buffer = plane.step(model), model[1].running_mean
    draws, value = Draws(step), buffer.clone()

    def fail():
        with replayed(model, step, draws):
            model[1].running_mean.add_(1)
            model[1].running_mean = torch.full_like(buffer, 7.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert model[1].running_mean is buffer
    assert torch.equal(buffer, value)


def test_a_basis_is_not_copied(plane):
    layer = nn.Linear(2, 2)
    layer.register_buffer("large", torch.zeros(3), persistent=False)
    step = plane.step(layer)
    with replayed(layer, step, Draws(step)):
        layer.large.add_(1)
    assert layer.large.tolist() == [1, 1, 1]


def test_what_is_observed_can_be_kept_out_of_the_log(plane):
    step, seen = plane.step(plane.net()), {}
    listening = Listening(step, seen)
    listening.observe("loss", torch.tensor(2.0, requires_grad=True))
    assert step.observed() == {}
    assert seen["loss"] == 2
    assert not seen["loss"].requires_grad
    assert listening.generator is step.generator
    assert listening.mean(torch.tensor(3.0)) == 3
