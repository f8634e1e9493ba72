"""What lies outside the plane, against a loop over one flat vector."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.models.adapters import add_basis, plain_state
from modelheir.objective.subspace.residual import Residual, planes


def flat(tensors):
    return torch.cat([one.detach().reshape(-1) for one in tensors])


def rows_of(model, rows):
    """Split rows ``(n, M)`` by parameter, in the order of the model's."""
    shapes = {name: one.shape for name, one in model.named_parameters()}
    parts = rows.split([shape.numel() for shape in shapes.values()], dim=1)
    return {name: part.reshape(len(rows), *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 5), st.floats(0.01, 1), st.floats(0, 0.99))
def test_equals_a_loop_over_one_vector(seed, count, alpha, gamma):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    width = sum(one.numel() for one in model.parameters())
    rows = torch.linalg.qr(torch.randn(width, count).double())[0].T
    names = list(dict(model.named_parameters()))
    z = add_basis(model, rows_of(model, rows))
    with torch.no_grad():
        z.copy_(torch.randn(count))
    residual = Residual(model, z, alpha=alpha, gamma=gamma)
    start = flat(plain_state(model)[name] for name in names)
    m, expected, before = torch.zeros(width).double(), start.clone(), z.detach().clone()
    for _ in range(3):
        loss = torch.stack([(plain * torch.randn_like(plain)).sum() for plain in _plain(model)]).sum()
        held = [z, *residual.moved.values()]
        gradients = dict(zip(held, torch.autograd.grad(loss, held), strict=True))
        by_name = {
            name.replace("parametrizations.", "").replace(".original", ""): w for name, w in residual.moved.items()
        }
        g = flat(gradients[by_name[name]] for name in names)
        squared = residual(gradients, gradients[z])
        r = g - rows.T @ (rows @ g)
        torch.testing.assert_close(rows @ r, torch.zeros(count).double(), atol=1e-9, rtol=0)  # P r = 0
        torch.testing.assert_close(squared, gradients[z].square().sum() + r.square().sum())  # Pythagoras
        m = gamma * m + r
        expected = expected - alpha * m
    torch.testing.assert_close(flat(plain_state(model)[name] for name in names), expected)
    assert torch.equal(z, before)
    torch.testing.assert_close(rows @ (expected - start), torch.zeros(count).double(), atol=1e-9, rtol=0)


def _plain(model):
    return [layer.weight for layer in model] + [layer.bias for layer in model]


def test_a_parameter_that_no_direction_reaches_takes_plain_momentum_steps():
    model = nn.Linear(2, 1).double()
    z = add_basis(model, {"weight": torch.tensor([[[0.6, 0.8]]]).double()})
    theirs = torch.optim.SGD([reference := nn.Parameter(model.bias.detach().clone())], lr=0.1, momentum=0.9)
    residual = Residual(model, z, alpha=0.1, gamma=0.9)
    assert sorted(residual.state_dict()) == ["bias", "parametrizations.weight.original"]
    for number in range(4):
        gradient = torch.tensor([1.0 + number]).double()
        residual({model.bias: gradient}, torch.zeros(1).double())
        reference.grad = gradient.clone()
        theirs.step()
    torch.testing.assert_close(model.bias, reference)


def test_a_weight_that_two_layers_share_moves_once():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)).double()
    model[1].weight = model[0].weight
    z = add_basis(model, {"0.weight": torch.eye(4).double()[:1].reshape(1, 2, 2)})
    assert len(planes(model)) == 1
    residual = Residual(model, z, alpha=1.0, gamma=0.0)
    (weight,) = residual.moved.values()
    before, gradient = weight.detach().clone(), torch.ones(2, 2).double()
    residual({weight: gradient}, torch.ones(1).double())
    assert (before - weight.detach()).tolist() == [[0, 1], [1, 1]]


def test_the_momentum_comes_back():
    found = []
    for again in (False, True):
        torch.manual_seed(0)
        model = nn.Linear(2, 2).double()
        z = add_basis(model, {"weight": torch.eye(4).double()[:2].reshape(2, 2, 2)})
        residual = Residual(model, z, alpha=0.1, gamma=0.5)
        for _ in range(2):
            residual({one: torch.ones_like(one) for one in residual.moved.values()}, torch.ones(2).double())
            if again:
                state = {name: one.clone() for name, one in residual.state_dict().items()}
                residual = Residual(model, z, alpha=0.1, gamma=0.5)
                residual.load_state_dict(state)
        found.append(flat(residual.moved.values()))
    assert torch.equal(*found)
