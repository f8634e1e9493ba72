"""Decay of weights in a plane, against the weights themselves and against an optimiser's decay."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.models.adapters import add_basis
from modelheir.objective.subspace import PlaneDecay
from modelheir.objective.subspace.residual import planes


def moving(seed, count, *, blocks=False, dtype=torch.float64):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).to(dtype)
    rows = {name: torch.randn(count, *one.shape, dtype=dtype) for name, one in model.named_parameters()}
    places = {"0.weight": 0, "0.bias": 0, "1.weight": 1, "1.bias": 2} if blocks else None
    z = add_basis(model, rows, blocks=places)
    with torch.no_grad():
        z.copy_(torch.randn_like(z))
    return model, z


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans(), st.floats(0, 3))
def test_equals_the_decay_of_the_weights(seed, count, blocks, weight):
    """Value and gradient, for rows that are not orthonormal."""
    model, z = moving(seed, count, blocks=blocks)
    whole = torch.cat([part.reshape(-1) for layer in model for part in (layer.weight, layer.bias)])
    expected = weight / 2 * whole.square().sum()
    found = PlaneDecay(model, z, weight=weight)()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(*(torch.autograd.grad(one, z)[0] for one in (found, expected)), rtol=1e-5, atol=1e-5)


def test_some_weights_are_left_out():
    model, z = moving(0, 3)
    biases = [one for one in planes(model) if one.ndim == 1]
    expected = sum(layer.weight.square().sum() for layer in model) / 2
    torch.testing.assert_close(PlaneDecay(model, z, weight=1.0, without=biases)(), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="no weight that moves in a plane is left"):
        PlaneDecay(model, z, weight=1.0, without=list(planes(model)))
    with pytest.raises(ValueError, match="weight must be >= 0"):
        PlaneDecay(model, z, weight=-1.0)


def test_sgd_with_this_term_is_projected_sgd_with_decay(plane):
    """Q-2: a square orthogonal P, so that SGD with weight decay on plain weights says where it leads."""
    plain, model = plane.net(norm=False), plane.net(norm=False)
    width = sum(one.numel() for one in model.parameters())
    z = plane.make(model, plane.orthonormal(width, width))
    decay = PlaneDecay(model, z, weight=0.1)
    theirs = torch.optim.SGD(plain.parameters(), lr=0.3, momentum=0.9, weight_decay=0.1)
    ours = torch.optim.SGD([z], lr=0.3, momentum=0.9)
    step = plane.step(model)
    for number in range(5):
        batch = plane.batch(seed=number)
        for optimizer, loss in (
            (theirs, plane.of_net(plain)(batch, step).total),
            (ours, plane.of_net(model)(batch, step).total + decay()),
        ):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for name, value in plain.state_dict().items():
        path, _, own = name.rpartition(".")
        torch.testing.assert_close(getattr(model.get_submodule(path), own), value, rtol=1e-5, atol=1e-6)


def test_half_precision_passes_do_not_round_it():
    model, z = moving(0, 4, dtype=torch.float32)
    decay = PlaneDecay(model, z, weight=1.0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(decay(), PlaneDecay(model, z, weight=1.0)())
