"""A trial leaves no trace: statistics, weights, gradients, modes and draws are those from before."""

import copy

import pytest
import torch
from torch import nn

from modelheir.engine.trial import trial


class Net(nn.Module):
    """Batch normalisation, dropout and a buffer that is replaced at each call."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen = self.seen + 1
        return self.layers(x)


@pytest.mark.parametrize("evaluate", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_of_a_trial(evaluate, fails):
    torch.manual_seed(0)
    net, generator = Net(), torch.Generator().manual_seed(4)
    net.layers[2].eval()
    x = torch.randn(8, 4)
    net(x).square().sum().backward()
    before = copy.deepcopy(net.state_dict())
    gradients = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    places = {name: id(value) for name, value in [*net.named_parameters(), *net.named_buffers()]}
    modes = [part.training for part in net.modules()]
    states = torch.get_rng_state(), generator.get_state()
    try:
        with trial([net], generators=[generator], evaluate=evaluate):
            assert net.training is not evaluate
            net.train()
            out = net(x)
            torch.rand(3, generator=generator)
            out.sum().backward()
            torch.optim.SGD(net.parameters(), lr=0.5).step()
            assert not torch.equal(net.layers[0].weight, before["layers.0.weight"])
            assert not torch.equal(net.layers[1].running_mean, before["layers.1.running_mean"])
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    found = [p.grad for p in net.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(found, gradients, strict=True))
    assert {name: id(value) for name, value in [*net.named_parameters(), *net.named_buffers()]} == places
    assert [part.training for part in net.modules()] == modes
    assert torch.equal(torch.get_rng_state(), states[0])
    assert torch.equal(generator.get_state(), states[1])


def test_training_with_trials_in_between_is_training_without():
    def train(trials):
        torch.manual_seed(1)
        net = Net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for number in range(5):
            torch.manual_seed(number)
            x = torch.randn(8, 4)
            if trials:
                with trial([net], evaluate=number % 2 == 0), torch.no_grad():
                    net(x * 3)
            net(x).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        return net.state_dict()

    plain = train(trials=False)
    assert all(torch.equal(value, plain[key]) for key, value in train(trials=True).items())
