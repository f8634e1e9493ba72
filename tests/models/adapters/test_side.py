"""Modules beside blocks: what they compute, how large they may be."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import build
from modelheir.models.adapters.side import Joined, Summed, add_maps, check_side, side_module


def made(name, blocks=2):
    return build(name, classes=("a", "b"), image_size=0, config=NetworkConfig(kwargs={"blocks": blocks}))


@pytest.mark.parametrize("sizes", [(), (4,), (4, 5)])
def test_a_chain_is_linear_up_to_its_normalisation(sizes):
    module = side_module((2, 3, 2), sizes).eval()
    x = torch.randn(2, 2, 8, 8)
    channels, by_hand = [2, *sizes, 3], x
    for number, conv in enumerate(list(module)[:-1]):
        assert conv.weight.shape == (channels[number + 1], channels[number], 3, 3)
        by_hand = F.conv2d(by_hand, conv.weight, stride=1 if number else 2, padding=1)
    assert len(module) == len(sizes) + 2
    torch.testing.assert_close(module(x), by_hand / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(module(3 * x), 3 * module(x))


def test_sums_and_joins():
    x = torch.randn(2, 2, 5, 5)
    pool, conv = nn.AvgPool2d(2), nn.Conv2d(2, 2, 3, stride=2, padding=1)  # 2x2 and 3x3 positions
    torch.testing.assert_close(Summed([pool, conv])(x), pool(x) + conv(x)[:, :, :2, :2])
    assert torch.equal(add_maps([x]), x)
    wide = nn.Conv2d(2, 3, 1)
    assert torch.equal(Joined([wide, nn.Identity()])(x), torch.cat([wide(x), x], dim=1))


@pytest.mark.parametrize(
    ("name", "sizes", "said"),
    [
        ("blocks_convnet", "", "a block of blocks_convnet is one convolution itself, so a side module is block"),
        ("blocks_convnet", "8", "is one convolution itself"),
        # 9 (64 a + a 128) against 147,456 + 73,728 + 2 * 147,456 without the shortcut
        (
            "blocks_resnet",
            "512",
            r"side_layer_sizes = '512': beside layer1 of blocks_resnet that is 884,736 weights, and",
        ),
        ("blocks_densenet", "2000", "a side module must be smaller. Give fewer channels, or block"),
        ("blocks_resnet", "x", "give channels with commas between"),
    ],
)
def test_what_does_not_suit_a_network_is_refused(name, sizes, said):
    with pytest.raises(InputError, match=said):
        check_side(made(name), sizes)


def test_the_largest_chain_that_is_smaller_than_its_block():
    model = made("blocks_resnet", 4)  # layer1 has 147,456 weights: 9 * 128 a < 147,456 for a up to 127
    check_side(model, "127")
    with pytest.raises(
        InputError, match="beside layer1 of blocks_resnet that is 147,456 weights, and the block has 147,456"
    ):
        check_side(model, "128")


@pytest.mark.parametrize(
    ("name", "sizes"), [("blocks_convnet", "block"), ("blocks_densenet", ""), ("blocks_resnet", "")]
)
def test_one_convolution_and_a_like_block_are_taken_as_they_are(name, sizes):
    check_side(made(name), sizes)
