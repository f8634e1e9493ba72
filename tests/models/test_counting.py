"""The table of sizes of the three families, as published and layer by layer."""

import pytest
import torch
from torch import nn

from modelheir.config.network import NetworkConfig
from modelheir.models import build, parameter_counts
from modelheir.models.bodies.blocks import FAMILIES
from modelheir.models.counting import counted

TEN = tuple(str(number) for number in range(10))
COUNTED = {
    "blocks_convnet": (309_450, 678_090, 1_562_826, 1_599_690),
    "blocks_densenet": (1_227_594, 1_723_850, 3_027_658, 6_880_458),
    "blocks_resnet": (7_387_338, 8_198_346, 10_852_554, 11_000_010),
}
ALL = {
    "blocks_convnet": (310_602, 679_498, 1_564_746, 1_601_738),
    "blocks_densenet": (1_242_698, 1_744_906, 3_064_458, 6_964_106),
    "blocks_resnet": (7_425_354, 8_278_602, 11_033_674, 11_181_642),
}
LAYERS = {
    "blocks_convnet": (9_408, 36_864, 73_728, 294_912, 1_179_648, 5_130),
    "blocks_densenet": (9_408, 364_544, 1_040_384, 3_325_952, 2_129_920, 10_250),
    "blocks_resnet": (9_408, 147_456, 516_096, 2_064_384, 8_257_536, 5_130),
}


def made(name, blocks, classes=TEN):
    return build(name, classes=classes, image_size=0, config=NetworkConfig(kwargs={"blocks": blocks}))


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_twelve_networks_have_the_published_sizes(name, blocks):
    found = parameter_counts(made(name, blocks))
    assert list(found) == ["conv1", *(f"layer{number}" for number in range(1, blocks + 1)), "fc", "total"]
    assert found["total"] == (COUNTED[name][blocks - 1], ALL[name][blocks - 1])


@pytest.mark.parametrize("name", FAMILIES)
def test_layers_of_four_blocks(name):
    found = parameter_counts(made(name, 4))
    assert tuple(one.counted for layer, one in found.items() if layer != "total") == LAYERS[name]


def test_a_class_more_costs_its_row_and_bias():
    sizes = [parameter_counts(made("blocks_densenet", 4, TEN[:n]))["total"].all for n in (2, 3)]
    assert sizes[1] - sizes[0] == 1025


def test_what_counts_in_a_layer():
    net = nn.Sequential()
    net.add_module("conv", nn.Conv2d(2, 3, 1))
    net.add_module("downsample", nn.Sequential(nn.Conv2d(2, 3, 1)))
    net.add_module("norm", nn.BatchNorm2d(3))
    net.add_module("fc", nn.Linear(3, 2))
    assert counted(net) == ["conv.weight", "fc.weight", "fc.bias"]
    assert counted(nn.Linear(1, 1, bias=False)) == ["weight"]
    assert torch.nn.Conv1d(1, 1, 1).weight.numel() == 1 == len(counted(nn.Conv1d(1, 1, 1)))
