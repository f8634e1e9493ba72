"""Optimisers, their groups and averages are the documented functions of their settings."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from modelheir.config.fit import FitConfig
from modelheir.engine.optim import ema_update_, hold_rates_, make_optimizer, set_learning_rate
from modelheir.engine.speed.layout import load_optimizer
from modelheir.models.teachers.freeze import freeze


def test_an_average_is_the_recursion_over_weights_and_buffers():
    """``a_n = d^n a_0 + (1 - d) sum_k d^(n - k) c_k``, with d = 0.9999 as with a quick one; counts are the last."""
    for decay in (0.9999, 0.5):
        norm = nn.BatchNorm1d(3).double()
        average = {key: value.clone() for key, value in norm.state_dict().items()}
        start, seen = {key: value.clone() for key, value in average.items()}, []
        for number in range(5):
            norm(torch.randn(6, 3, generator=torch.Generator().manual_seed(number), dtype=torch.float64))
            with torch.no_grad():
                norm.weight.add_(1.0)
            seen.append({key: value.clone() for key, value in norm.state_dict().items()})
            ema_update_(average, norm.state_dict(), decay)
        for key in ("weight", "bias", "running_mean", "running_var"):
            terms = [(1 - decay) * decay ** (4 - number) * one[key] for number, one in enumerate(seen)]
            torch.testing.assert_close(average[key], decay**5 * start[key] + sum(terms), atol=1e-12, rtol=0)
        assert int(average["num_batches_tracked"]) == 5


def test_optimizer_leaves_norms_and_biases_undecayed_and_takes_shared_parameters_once(toy):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    fit = dataclasses.replace(toy.fit, decay_norm_and_bias=False, weight_decay=0.1)
    optimizer = make_optimizer([model, model], fit)
    decays = {tuple(p.shape): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays == {(4, 3): 0.1, (4,): 0.0}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4
    with pytest.raises(ValueError, match="no parameter is trainable"):
        make_optimizer([freeze(model)], fit)


def test_average_copies_counts_and_keeps_constants():
    average = {"w": torch.tensor([1.0, 0.1]), "n": torch.tensor(3), "on": torch.tensor(False)}
    ema_update_(average, {"w": torch.tensor([2.0, 0.1]), "n": torch.tensor(7), "on": torch.tensor(True)}, 0.75)
    assert average["w"].tolist() == pytest.approx([1.25, 0.1])
    assert average["w"][1] == torch.tensor(0.1)
    assert (int(average["n"]), bool(average["on"])) == (7, True)


def test_groups_carry_a_rate_and_a_decay_of_their_own():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 2))
    fit = FitConfig(optimizer="sgd", schedule="cosine", lr=0.1, weight_decay=0.3, decay_norm_and_bias=False)
    parts = [(list(net[0].parameters()), 2.0, None), (list(net[1].parameters()), 0.5, 0.7)]
    optimizer = make_optimizer([net], fit, lambda module: [*parts, (list(net[2].parameters()), 1.0, 0.0)])
    found = {id(p): (g["multiplier"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    assert [found[id(p)] for p in net.parameters()] == [
        (2.0, 0.3), (2.0, 0.0), (0.5, 0.7), (0.5, 0.7), (1.0, 0.0), (1.0, 0.0),
    ]  # fmt: skip


def stepped(optimizer, net, rates):
    for number, rate in enumerate(rates):
        set_learning_rate(optimizer, rate)
        net(torch.randn(5, 4, generator=torch.Generator().manual_seed(number))).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return torch.cat([parameter.detach().reshape(-1) for parameter in net.parameters()])


def net_and_optimizer(kind, *, held):
    torch.manual_seed(0)
    net = nn.Linear(4, 3)
    config = FitConfig(optimizer=kind, lr=0.1, nesterov=True)
    optimizer = make_optimizer([net], config, lambda net: [([net.weight], 1.0, None), ([net.bias], 0.5, 0.0)])
    if held:
        hold_rates_(optimizer)
    return net, optimizer


RATES = [0.1, 0.03, 0.2, 0.001]


@pytest.mark.parametrize("kind", ["sgd", "adamw", "adam"])
def test_rates_that_live_on_the_device_are_written_in_place_and_move_weights_alike(kind):
    (plain, plainly), (held, holding) = (net_and_optimizer(kind, held=one) for one in (False, True))
    places = [group["lr"] for group in holding.param_groups]
    torch.testing.assert_close(stepped(holding, held, RATES), stepped(plainly, plain, RATES), rtol=1e-6, atol=1e-7)
    assert all(group["lr"] is place for group, place in zip(holding.param_groups, places, strict=True))
    assert [float(place) for place in places] == pytest.approx([0.001, 0.0005])
    assert all(isinstance(group["lr"], float) for group in plainly.param_groups)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("read", [False, True])
def test_a_state_goes_on_whichever_device_its_rates_lived_on(kind, written, read):
    net, optimizer = net_and_optimizer(kind, held=written)
    stepped(optimizer, net, RATES)
    weights, state = {key: value.clone() for key, value in net.state_dict().items()}, optimizer.state_dict()
    other, taking = net_and_optimizer(kind, held=read)
    other.load_state_dict(weights)
    places = [group["lr"] for group in taking.param_groups]
    load_optimizer(taking, copy.deepcopy(state))
    assert [float(group["lr"]) for group in taking.param_groups] == pytest.approx([0.001, 0.0005])
    assert [group["lr"] is place for group, place in zip(taking.param_groups, places, strict=True)] == [read] * 2
    assert all(group.get("capturable", read) is read for group in taking.param_groups)
    expected = stepped(optimizer, net, [0.05, 0.02])
    torch.testing.assert_close(stepped(taking, other, [0.05, 0.02]), expected, rtol=1e-6, atol=1e-7)


def test_an_optimiser_that_would_read_its_rate_back_keeps_a_number():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(2))], lr=0.1)
    hold_rates_(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert isinstance(optimizer.param_groups[0]["lr"], float)
