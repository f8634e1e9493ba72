"""Weights that are functions of others: inside, outside, and merged."""

import copy

import pytest
import torch
from torch import nn

from modelheir.models import build, stages
from modelheir.models.adapters import (
    add_low_rank,
    add_plane,
    is_function,
    load_plain,
    merge_weights,
    plain_state,
    reparametrise,
    trained_names,
)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, weight):
        return self.factor * weight


def test_gradients_reach_what_the_function_owns_and_nothing_else():
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    reparametrise(layer, "weight", Twice())
    images = torch.rand(5, 3)
    layer(images).sum().backward()
    inner = layer.parametrizations.weight
    assert inner.original.grad is None
    torch.testing.assert_close(inner[0].factor.grad, (before * images.sum(0)).sum())
    torch.testing.assert_close(layer(images), nn.functional.linear(images, 2 * before, layer.bias))


def test_outside_there_are_the_plain_names_with_the_values_that_count():
    model = build("convnet", classes=("a", "b", "c"), image_size=8)
    names, groups = set(model.state_dict()), stages(model)
    reparametrise(model.get_submodule("head"), "weight", Twice())
    add_low_rank(model.get_submodule("body"), rank=2, seed=0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("up"):
                value.normal_(generator=torch.Generator().manual_seed(1))
    plain = plain_state(model)
    assert set(plain) == names
    assert is_function(model)
    images = torch.rand(4, 3, 8, 8)
    other = build("convnet", classes=("a", "b", "c"), image_size=8, seed=9)
    other.load_state_dict(plain)
    expected = model.eval()(images).logits
    torch.testing.assert_close(other.eval()(images).logits, expected, atol=1e-6, rtol=1e-6)
    twin = copy.deepcopy(model)
    merge_weights(model)
    assert not is_function(model)
    assert is_function(twin)
    assert type(model.head) is nn.Linear
    assert {key: value.tolist() for key, value in model.state_dict().items()} == {
        key: value.tolist() for key, value in plain.items()
    }
    torch.testing.assert_close(model(images).logits, expected, atol=1e-6, rtol=1e-6)
    assert [set(group) for group in stages(model)] == [set(group) for group in groups]


@pytest.mark.parametrize("name", ["resnet8", "tv:mobilenet_v2"])
def test_stages_of_a_network_stay_where_they_are(name):
    """An adapter makes a layer no block, so that multipliers of the rate fit as before."""
    model = build(name, classes=("a", "b"), image_size=32)
    before = stages(model)
    add_low_rank(model, rank=1, seed=0)
    within = [
        {name.split(".parametrizations.")[0].removesuffix(".weight") for name in group} for group in stages(model)
    ]
    assert within == [{name.removesuffix(".weight") for name in group} for group in before]


def test_what_is_no_parameter_of_the_layer_is_refused():
    with pytest.raises(ValueError, match="Linear has no parameter 'wieght' of its own"):
        reparametrise(nn.Linear(2, 2), "wieght", Twice())


@pytest.mark.parametrize("adapted", [False, True])
def test_plain_weights_are_loaded_where_functions_begin(adapted):
    model = build("convnet", classes=("a", "b", "c"), image_size=8)
    if adapted:
        add_low_rank(model.get_submodule("body"), rank=2, seed=0)
    other = build("convnet", classes=("a", "b", "c"), image_size=8, seed=9)
    load_plain(model, other.state_dict())
    assert is_function(model) == adapted
    found = plain_state(model)
    assert all(torch.equal(value, found[key]) for key, value in other.state_dict().items())
    with pytest.raises(RuntimeError, match=r"head\.bias"):
        load_plain(model, {key: value for key, value in other.state_dict().items() if key != "head.bias"})


def test_what_moves_has_its_plain_name_once():
    """In a plane one weight alone lists the coordinates, and all that share them move; a tied weight has one name."""
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3), nn.Linear(3, 2))
    net[2].weight = net[0].weight
    net[3].requires_grad_(False)
    plain = [name for name, one in net.named_parameters() if one.requires_grad]
    assert trained_names(net) == plain == ["0.weight", "0.bias", "1.weight", "1.bias", "2.bias"]
    net[2].weight = nn.Parameter(torch.zeros(3, 3))
    net.requires_grad_(False)
    add_plane(net, coordinates=2, seed=0, names=["0.weight", "2.weight"])
    assert sorted(trained_names(net)) == ["0.weight", "2.weight"]
