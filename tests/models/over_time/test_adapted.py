"""Layers that differ from another by low rank."""

import math

import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.config.over_time.copies import OverTimeConfig
from modelheir.models import build
from modelheir.models.over_time import OverTime
from modelheir.models.over_time.adapted import Adapted, adaptable


def made(layer, name="layer1", **config):
    given = OverTimeConfig(mode="low_rank_adapt", **{"adapter_rank": 2, **config})
    return Adapted(name, layer, given, torch.Generator().manual_seed(0))


def layer():
    torch.manual_seed(0)
    found = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(6 * 4 * 4, 5))
    nn.init.uniform_(found[1].weight)
    return found


def test_weights_come_from_outside_and_the_rest_is_its_own():
    net = layer()
    own = made(net)
    x = torch.randn(2, 4, 4, 4)
    weights = {path: part.weight for path, part in adaptable(net).items()}
    torch.testing.assert_close(own.eval()(x, weights), net.eval()(x))
    assert not any(key in ("shell.0.weight", "shell.3.weight") for key in own.state_dict())
    own(x, {path: weight * 0 for path, weight in weights.items()})
    with torch.no_grad():
        own.shell[3].bias.zero_()
    zero = own(x, {path: weight * 0 for path, weight in weights.items()})
    assert torch.equal(zero, torch.zeros(2, 5))
    assert net[3].bias.any()
    assert {path: tuple(change().shape) for path, change in own.changes().items()} == {"0": (6, 4, 3, 3), "3": (5, 96)}


def test_as_published_biases_and_normalisation_begin_anew():
    net, fixed, compat = layer(), made(layer()), made(layer(), compat=True)
    assert torch.equal(fixed.shell[1].weight, net[1].weight)
    assert torch.equal(fixed.shell[0].bias, net[0].bias)
    assert torch.equal(compat.shell[1].weight, torch.ones(6))
    for part, fan in ((compat.shell[0], 3 * 9), (compat.shell[3], 96)):
        assert part.bias.detach().abs().max() <= 1 / math.sqrt(fan)
        assert not torch.equal(part.bias, net[0].bias if fan == 27 else net[3].bias)
    assert not compat.changes()["0"]().detach().allclose(torch.zeros(1))
    assert torch.equal(fixed.changes()["0"]().detach(), torch.zeros(6, 4, 3, 3))


@pytest.mark.parametrize(("classes", "rank", "head"), [(10, 16, 9), (10, 4, 4), (20, 20, 19), (2, 16, 1)])
def test_ranks_of_stem_and_head(classes, rank, head):
    names = [str(number) for number in range(classes)]
    model = build("blocks_convnet", classes=names, image_size=32)
    config = OverTimeConfig(mode="low_rank_adapt", adapter_rank=rank, all_layers_efficient=True)
    found = OverTime(model, [[0] * 6, [1] * 6], config)
    ranks = {name: [one.rank for one in found.held(name)[1].changes().values()] for name in found.names}
    assert ranks == {"conv1": [1], **{f"layer{n}": [rank] for n in (1, 2, 3, 4)}, "fc": [head]}


@pytest.mark.parametrize(
    ("name", "rank", "said"),
    [
        ("blocks_convnet", 32, r"adapter_rank = 32 is too large for blocks_convnet: .* up to 31 in layer1 \(64 to 64"),
        ("blocks_densenet", 26, r"up to 25 in layer1 \(128 to 32 channels\)"),
    ],
)
def test_an_adapter_is_smaller_than_its_weight(name, rank, said):
    model = build(name, classes=("a", "b"), image_size=0)
    with pytest.raises(InputError, match=said):
        OverTime(model, [[0] * 6], OverTimeConfig(mode="low_rank_adapt", adapter_rank=rank))
    OverTime(model, [[0] * 6], OverTimeConfig(mode="low_rank_adapt", adapter_rank=rank - 1))


def test_a_head_of_one_class_has_no_adapter():
    model = build("blocks_convnet", classes=("a",), image_size=0)
    config = OverTimeConfig(mode="low_rank_adapt", adapter_rank=1, all_layers_efficient=True)
    with pytest.raises(InputError, match="too few classes for an adapter of its head"):
        OverTime(model, [[0] * 6], config)
