"""Coordinates in a plane: one vector moves every weight."""

import pytest
import torch
from torch import nn

from modelheir.models.adapters import Plane, add_plane, merge_weights, reparametrise


def test_a_given_basis_moves_the_weight_as_worked_by_hand():
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
    coordinates = nn.Parameter(torch.tensor([3.0, -1.0]))
    reparametrise(layer, "weight", Plane(coordinates, torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])))
    assert layer.weight.tolist() == [[3.0, 1.0]]  # [1, 2] + 3 [1, 0] - [1, 1]
    layer(torch.tensor([[1.0, 10.0]])).sum().backward()
    assert coordinates.grad.tolist() == [1.0, 11.0]
    assert layer.parametrizations.weight.original.grad is None
    assert sorted(layer.state_dict()) == [
        "parametrizations.weight.0.coordinates",
        "parametrizations.weight.original",
    ]
    merge_weights(layer)
    assert layer.weight.tolist() == [[3.0, 1.0]]


def test_weights_that_share_coordinates_count_them_once():
    pair = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    names = [name for name, _ in pair.named_parameters()]
    shared = add_plane(pair, coordinates=3, seed=1, names=names)
    assert [p for p in pair.parameters() if p.requires_grad] == [shared]
    pair(torch.rand(2, 3)).sum().backward()
    assert shared.grad.abs().min() > 0
    pair.to(torch.float64)
    assert pair(torch.rand(2, 3, dtype=torch.float64)).dtype == torch.float64
    with pytest.raises(ValueError, match="coordinates"):
        add_plane(nn.Linear(2, 2), coordinates=0, seed=0, names=["weight"])
