"""Coordinates in a plane: one vector moves every weight."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.checks import InputError
from modelheir.models.adapters import Plane, add_basis, add_plane, merge_weights, plain_state, reparametrise


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


def network(dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2)).to(dtype)


def directions(model, count, *, leave=()):
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(count, *value.shape, generator=generator, dtype=torch.float64)
        for name, value in model.named_parameters()
        if name not in leave
    }


def flat(values):
    return torch.cat([one.reshape(len(one), -1) for one in values], dim=1)


def test_the_gradient_of_coordinates_is_the_projected_gradient_over_several_passes():
    """``dL/dz = P dL/dw``, where the loss reads the network twice before it is differentiated."""
    plain, moved = network(), network()
    rows = directions(plain, 4)
    z = add_basis(moved, rows)
    with torch.no_grad():
        z.copy_(torch.tensor([0.3, -0.1, 0.2, 0.05]))
        for name, value in plain.named_parameters():
            value += torch.tensordot(z, rows[name], 1)
    x, y = torch.randn(2, 6, 3, dtype=torch.float64)

    def loss(model):
        return model(x).square().sum() + model(y).exp().mean()

    loss(moved).backward()
    loss(plain).backward()
    gradient = flat([value.grad[None] for value in plain.parameters()])[0]
    assert torch.allclose(z.grad, flat(rows.values()) @ gradient, rtol=1e-12, atol=1e-12)
    assert [name for name, value in moved.named_parameters() if value.requires_grad] == [
        "0.parametrizations.weight.0.coordinates"
    ]
    assert sum(key.endswith("coordinates") for key in moved.state_dict()) == 1
    state = plain.state_dict()
    for name, value in plain_state(moved).items():
        if "running" not in name and "tracked" not in name:
            assert torch.allclose(value, state[name], rtol=1e-12)


@settings(deadline=None, max_examples=20)
@given(
    z=st.lists(st.floats(-1, 1), min_size=3, max_size=3), dtype=st.sampled_from([None, torch.float32, torch.bfloat16])
)
def test_weights_move_by_the_sum_of_directions(z, dtype):
    model = network(torch.float32)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    rows = {name: part.float() for name, part in directions(model, 3, leave={"3.weight"}).items()}
    coordinates = add_basis(model, rows, dtype=dtype)
    with torch.no_grad():
        coordinates.copy_(torch.tensor(z))
    for name, value in plain_state(model).items():
        if name in rows:
            kept = rows[name] if dtype is None else rows[name].to(dtype).float()
            assert value.dtype == torch.float32
            assert torch.allclose(value, before[name] + torch.tensordot(coordinates, kept, 1), atol=1e-6)
    assert torch.equal(model[3].weight, before["3.weight"])
    assert model[3].weight.requires_grad


def test_sgd_on_coordinates_is_projected_sgd_on_weights():
    """P-SGD; with all directions of the space, it is SGD itself (V-4)."""
    plain, moved = nn.Linear(2, 1).double(), nn.Linear(2, 1).double()
    moved.load_state_dict(plain.state_dict())
    q = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0]
    z = add_basis(moved, {"weight": q[:, :2].reshape(3, 1, 2), "bias": q[:, 2:]})
    x = torch.randn(8, 2, dtype=torch.float64)
    optimizers = [torch.optim.SGD(params, lr=0.1, momentum=0.9) for params in (plain.parameters(), [z])]
    for _ in range(5):
        for model, optimizer in zip((plain, moved), optimizers, strict=True):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    assert torch.allclose(moved.weight, plain.weight, atol=1e-12)
    assert torch.allclose(moved.bias, plain.bias, atol=1e-12)


def test_each_block_has_coordinates_of_its_own():
    """DR-41: ``dL/dx_il`` is direction i's part in block l times the gradient there."""
    plain, moved = network(), network()
    rows = directions(plain, 2)
    blocks = {name: int(name.startswith("3")) for name in rows}
    z = add_basis(moved, rows, blocks=blocks)
    assert z.shape == (4,)
    moved(torch.ones(4, 3, dtype=torch.float64)).sin().sum().backward()
    plain(torch.ones(4, 3, dtype=torch.float64)).sin().sum().backward()
    for i in range(2):
        for block in range(2):
            names = [name for name in rows if blocks[name] == block]
            wanted = sum((rows[name][i] * plain.get_parameter(name).grad).sum() for name in names)
            assert torch.allclose(z.grad.view(2, 2)[i, block], wanted, atol=1e-12)
    with torch.no_grad():
        z.view(2, 2)[1, 1] = 1.0
    assert torch.equal(moved[0].weight, plain[0].weight)
    assert torch.allclose(moved[3].weight, plain[3].weight + rows["3.weight"][1])


@pytest.mark.parametrize("blocks", [{"weight": 0}, {"weight": 0, "bias": 2}, {"weight": 1, "bias": 1}, {}])
def test_blocks_that_leave_a_gap_or_a_parameter_are_refused(blocks):
    layer = nn.Linear(2, 1)
    rows = {name: torch.ones(2, *value.shape) for name, value in layer.named_parameters()}
    with pytest.raises(ValueError, match="blocks must number the parameters"):
        add_basis(layer, rows, blocks=blocks)


def test_autocast_does_not_round_the_steps():
    """Steps are small against the weights: in bfloat16, products would keep two digits of them."""
    layer = nn.Linear(4, 3)
    rows = {"weight": torch.rand(2, 3, 4)}
    z = add_basis(layer, rows)
    with torch.no_grad():
        z.copy_(torch.tensor([1.001, -0.999]))
    exact = layer.weight.detach()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.weight, exact)
        assert layer(torch.rand(2, 4)).dtype == torch.bfloat16


def test_a_basis_in_half_precision_does_not_round_coordinates_and_is_kept_once():
    model = network(torch.float32)
    rows = {name: part.float() for name, part in directions(model, 3).items()}
    z = add_basis(model, rows, dtype=torch.bfloat16)
    held = [part for part in model.modules() if isinstance(part, Plane)]
    assert {part.basis.dtype for part in held} == {torch.bfloat16}
    with torch.no_grad():
        z.copy_(torch.tensor([1.0001, 0, 0]))
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        value = model[0].weight
    assert all(one.dtype == torch.bfloat16 for one in saved if one.numel() > 20)
    kept = rows["0.weight"][0].bfloat16().float()
    with torch.no_grad():
        base = model[0].parametrizations.weight.original
    assert torch.allclose(value - base, 1.0001 * kept, rtol=1e-5, atol=1e-6)
    x = torch.rand(6, 3)
    model(x).square().sum().backward()
    plain = network(torch.float32)
    plain.load_state_dict(plain_state(model))
    plain.train()
    plain(x).square().sum().backward()
    gradient = flat([one.grad[None] for one in plain.parameters()])[0]
    wanted = flat([part.bfloat16().float() for part in rows.values()]) @ gradient
    assert torch.allclose(z.grad, wanted, rtol=1e-4, atol=1e-4)


def test_a_wide_basis_in_half_precision_is_widened_in_parts():
    layer = nn.Linear(500, 401, bias=False)
    rows = torch.randn(3, 401, 500, generator=torch.Generator().manual_seed(0))
    z = add_basis(layer, {"weight": rows}, dtype=torch.bfloat16)
    own, kept = torch.tensor([1.0, -2.0, 0.5]), rows.bfloat16().float().flatten(1)
    with torch.no_grad():
        z.copy_(own)
    value, gradient = layer.weight, torch.randn(401, 500, generator=torch.Generator().manual_seed(1))
    before = layer.parametrizations.weight.original
    assert torch.allclose(value, before + (own @ kept).view(401, 500), atol=1e-5)
    value.backward(gradient)
    assert torch.allclose(z.grad, kept @ gradient.flatten(), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_second_derivatives_one_by_one_and_in_a_batch(dtype):
    """Newton in a subspace takes products with the Hessian; that of ``|P^T z|^2`` is ``2 P P^T``."""
    layer = nn.Linear(3, 1, bias=False)
    rows = torch.tensor([[[1.0, 2.0, 0.5]], [[0.0, 1.0, -1.0]]])
    z = add_basis(layer, {"weight": rows}, dtype=dtype)
    wanted = 2 * rows[:, 0] @ rows[:, 0].T
    (gradient,) = torch.autograd.grad(layer.weight.square().sum(), z, create_graph=True)
    single = torch.stack([torch.autograd.grad(one, z, retain_graph=True)[0] for one in gradient])
    assert torch.allclose(single, wanted)
    (batched,) = torch.autograd.grad(gradient, z, torch.eye(2), is_grads_batched=True)
    assert torch.allclose(batched, wanted)


def test_a_weight_that_layers_share_moves_in_both():
    """Q-12."""
    model = nn.ModuleDict({"one": nn.Linear(2, 2, bias=False), "two": nn.Linear(2, 2, bias=False)})
    model["two"].weight = model["one"].weight
    model["again"] = model["one"]
    before = model["one"].weight.detach().clone()
    z = add_basis(model, {"one.weight": torch.ones(1, 2, 2)})
    with torch.no_grad():
        z.fill_(3.0)
    for name in model:
        assert torch.equal(model[name].weight, before + 3)
    (model["one"].weight.sum() + model["two"].weight.sum()).backward()
    assert z.grad.tolist() == [8.0]
    assert [one for one in model.parameters() if one.requires_grad] == [z]


def test_rows_of_numpy_and_read_only_maps_are_taken_as_they_are(tmp_path):
    rows = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    layer = nn.Linear(3, 2, bias=False).double()
    z = add_basis(layer, {"weight": mapped.reshape(2, 2, 3)})
    assert z.dtype == layer.parametrizations.weight[0].basis.dtype == torch.float64
    layer.weight.sum().backward()
    assert z.grad.tolist() == [15.0, 51.0]


def test_given_rows_are_not_shared_with_the_model():
    rows = {"weight": torch.ones(1, 1, 2)}
    layer = nn.Linear(2, 1, bias=False)
    add_basis(layer, rows)
    rows["weight"].zero_()
    layer.weight.sum().backward()
    assert layer.parametrizations.weight[0].coordinates.grad.tolist() == [2.0]


def test_a_copy_moves_by_coordinates_of_its_own():
    model = network()
    z = add_basis(model, directions(model, 2))
    other = copy.deepcopy(model)
    with torch.no_grad():
        z.fill_(1.0)
    moved = [
        not torch.equal(a, b) for a, b in zip(plain_state(model).values(), plain_state(other).values(), strict=True)
    ]
    assert sum(moved) == 6
    own = [one for one in other.parameters() if one.requires_grad]
    assert len(own) == 1
    with torch.no_grad():
        own[0].fill_(1.0)
    assert all(torch.equal(a, b) for a, b in zip(plain_state(model).values(), plain_state(other).values(), strict=True))


def test_a_basis_of_another_model_is_refused_and_nothing_is_changed():
    layer = nn.Linear(2, 1)
    with pytest.raises(InputError, match=r"no parameter 'wait' to move\. Did you mean 'weight'"):
        add_basis(layer, {"bias": torch.ones(1, 1), "wait": torch.ones(1, 1, 2)})
    with pytest.raises(InputError, match=r"of 'weight' have shape \(2, 1\), the parameter \(1, 2\)"):
        add_basis(layer, {"bias": torch.ones(1, 1), "weight": torch.ones(1, 2, 1)})
    with pytest.raises(ValueError, match=r"as many directions; got \[1, 2\]"):
        add_basis(layer, {"bias": torch.ones(1, 1), "weight": torch.ones(2, 1, 2)})
    with pytest.raises(ValueError, match=r"got \[\]"):
        add_basis(layer, {})
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError, match="block"):
        Plane(nn.Parameter(torch.zeros(2)), torch.ones(1, 2), block=2, blocks=2)
