"""The penalty on squares is the gradient of the term it stands for, and leaves out what the term leaves out."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizer
from modelheir.methods.given.squares import penalise_squares


def net():
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5), nn.LayerNorm(5)]
    return nn.Sequential(*parts, nn.Linear(5, 2)).double()


@settings(max_examples=10, deadline=None)
@given(penalty=st.floats(0, 1), kind=st.sampled_from(["adam", "sgd"]))
def test_steps_are_those_of_the_term_in_the_loss(penalty, kind):
    """The oracle adds the sum of squares to the loss, over the weights by name."""
    model = net()
    other = copy.deepcopy(model)
    fit = FitConfig(optimizer=kind, lr=0.01, momentum=0.0, weight_decay=0.3)
    ours = make_optimizer([model], fit, penalise_squares(penalty))
    makers = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    theirs = makers[kind](other.parameters(), lr=0.01)
    names = ["0.weight", "4.weight", "4.bias", "6.weight", "6.bias"]  # neither norm, nor the bias of the convolution
    x, y = torch.randn(6, 3, 8, 8, dtype=torch.float64), torch.arange(6) % 2
    for _ in range(5):
        ours.zero_grad()
        cross_entropy(model(x), y).backward()
        ours.step()
        theirs.zero_grad()
        omega = sum(other.get_parameter(name).square().sum() for name in names)
        (cross_entropy(other(x), y) + penalty * omega).backward()
        theirs.step()
    for (name, p), q in zip(model.named_parameters(), other.parameters(), strict=True):
        if name != "0.bias":  # before a batch norm its gradient is rounding alone
            assert torch.allclose(p, q, rtol=0, atol=1e-9), name


def test_every_parameter_is_in_one_group():
    model = net()
    (pulled, _, decay), (free, _, none) = penalise_squares(0.5)(model)
    assert (decay, none) == (1.0, 0.0)
    assert {id(p) for p in pulled} | {id(p) for p in free} == {id(p) for p in model.parameters()}
    assert len(pulled) + len(free) == len(list(model.parameters()))
    assert len(pulled) == 5


def test_a_penalty_below_zero_is_refused():
    with pytest.raises(ValueError, match="penalty"):
        penalise_squares(-1.0)
