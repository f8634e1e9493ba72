"""Memory order changes speed and no value: of networks, and of what an optimiser remembers."""

import copy

import pytest
import torch
from torch import nn

from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizer
from modelheir.engine.speed.layout import arrange, as_laid_out, load_optimizer
from modelheir.models.bodies.taps import TappedConv2d


class Small(nn.Module):
    """Two convolutions, the second on 2x2 maps, and a classifier."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4, padding=1), nn.Conv2d(4, 6, 3, 2, 1))
            self.norm, self.head = nn.BatchNorm2d(6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.norm(self.layers(x)).flatten(1))


@pytest.mark.parametrize(
    ("device", "precision", "last"),
    [
        ("cpu", "fp32", True),
        ("cpu", "bf16", True),
        ("cuda", "fp32", False),
        ("cuda", "bf16", True),
        ("mps", "fp32", False),
    ],
)
def test_convolutions_lie_with_channels_last_where_it_pays(device, precision, last):
    net = Small()
    before = {name: (id(p), p.detach().clone()) for name, p in net.named_parameters()}
    arrange([net], torch.device(device), precision)
    assert net.layers[0].weight.is_contiguous(memory_format=torch.channels_last) is last
    assert all(type(one) is TappedConv2d for one in net.layers)
    for name, parameter in net.named_parameters():
        assert id(parameter) == before[name][0]
        assert torch.equal(parameter, before[name][1])


def test_a_network_without_convolutions_is_left_as_it_is():
    net = nn.Sequential(nn.Linear(2, 2))
    net.kernel = nn.Parameter(torch.zeros(2, 3, 4, 5))
    arrange([net], torch.device("cpu"), "fp32")
    assert net.kernel.is_contiguous()


def learn(net, optimizer, steps, start=0):
    for number in range(start, start + steps):
        x = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(number)).to(net.head.weight.dtype)
        nn.functional.cross_entropy(net(x), torch.arange(6) % 3).backward()
        optimizer.step()
        optimizer.zero_grad()
    return net.state_dict()


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "rmsprop"])
def test_a_laid_out_network_learns_the_same(kind):
    """The oracle is the same network as torch lays it out, with torch's plain optimiser."""
    fit = FitConfig(optimizer=kind, lr=0.01, weight_decay=0.01)
    plain, ours = Small().double(), Small().double()
    arrange([ours], torch.device("cpu"), "fp32")
    settings = {"lr": 0.01, "weight_decay": 0.01, "fused": False, "foreach": False}
    if kind in ("sgd", "rmsprop"):
        settings["momentum"] = 0.9
    if kind == "rmsprop":
        del settings["fused"]
    oracle = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}[kind]
    expected = learn(plain, getattr(torch.optim, oracle)(plain.parameters(), **settings), 6)
    for key, value in learn(ours, make_optimizer([ours], fit), 6).items():
        torch.testing.assert_close(value, expected[key], atol=1e-8, rtol=1e-7)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_an_optimiser_goes_on_to_the_same_bits_from_a_file(kind):
    """A file holds tensors in plain order, and says ``fused`` as the version that wrote it did."""
    fit = FitConfig(optimizer=kind, lr=0.01)
    net = Small()
    arrange([net], torch.device("cpu"), "fp32")
    optimizer = make_optimizer([net], fit)
    learn(net, optimizer, 3)
    weights = copy.deepcopy(net.state_dict())
    state = copy.deepcopy(optimizer.state_dict())
    straight = copy.deepcopy(learn(net, optimizer, 3, start=3))
    for held in state["state"].values():
        held |= {name: value.contiguous() if torch.is_tensor(value) else value for name, value in held.items()}
    state["param_groups"] = [{**group, "fused": None} for group in state["param_groups"]]
    again = Small()
    arrange([again], torch.device("cpu"), "fp32")
    again.load_state_dict(weights)
    optimizer = make_optimizer([again], fit)
    load_optimizer(optimizer, state)
    assert all(group["fused"] for group in optimizer.param_groups)
    resumed = learn(again, optimizer, 3, start=3)
    assert all(torch.equal(value, resumed[key]) for key, value in straight.items())


def test_a_tensor_that_lies_right_is_not_copied():
    value = torch.zeros(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    assert as_laid_out(value, value.clone()) is value
    other = as_laid_out(value, torch.zeros(2, 3, 4, 4))
    assert other.is_contiguous()
