"""Masks of dropout: their rate and mean, where they lie in memory, and who draws them."""

import math

import pytest
import torch
from scipy import stats
from torch import nn

from modelheir.models.bodies.masks import MaskedDropout, draw_masks_fast, mask_like


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1 / 3])
def test_the_share_that_is_left_out_is_the_rate(rate):
    """An exact test of the count against the binomial distribution with this rate."""
    torch.manual_seed(0)
    mask = mask_like(torch.empty(300, 7, 5), rate)
    out = int((mask == 0).sum())
    assert stats.binomtest(out, mask.numel(), rate).pvalue > 1e-4
    assert mask.max().item() == pytest.approx(1 / (1 - rate), rel=1e-4)
    assert len(mask.unique()) == (2 if rate else 1)


def test_neighbours_are_drawn_apart():
    """Four values share a draw: of each pair of places in it, both are left out as often as chance says."""
    torch.manual_seed(1)
    out = (mask_like(torch.empty(40_000), 0.5) == 0).view(-1, 4)
    for first in range(4):
        for second in range(first):
            both = int((out[:, first] & out[:, second]).sum())
            assert stats.binomtest(both, len(out), 0.25).pvalue > 1e-4


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_a_mask_has_the_shape_kind_and_order_of_its_value(kind, count):
    value = torch.empty(count, 3, 2, 2, dtype=kind).to(memory_format=torch.channels_last)
    mask = mask_like(value, 0.5)
    assert (mask.shape, mask.dtype, mask.stride()) == (value.shape, kind, value.stride())


def test_a_view_with_holes_is_masked_too():
    torch.manual_seed(2)
    value = torch.ones(64, 10)[:, ::2]
    assert mask_like(value, 0.5).mean().item() == pytest.approx(1, abs=6 / math.sqrt(value.numel()))


def test_values_and_gradients_are_multiplied_by_one_mask():
    torch.manual_seed(3)
    x = torch.full((50, 20), 3.0, dtype=torch.float64, requires_grad=True)
    out = draw_masks_fast(nn.Dropout(0.25))(x)
    out.backward(torch.ones_like(out))
    torch.testing.assert_close(out, 3 * x.grad)
    assert set(x.grad.unique().tolist()) == {0.0, 1 / 0.75}


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_nothing_and_everything_are_left_out_as_torch_does(rate):
    x = torch.randn(4, 5)
    torch.testing.assert_close(draw_masks_fast(nn.Dropout(rate))(x), nn.Dropout(rate)(x))


def test_it_is_off_in_evaluation_and_the_seed_repeats_it():
    one, x = draw_masks_fast(nn.Dropout(0.5)), torch.randn(6, 5)
    assert torch.equal(one.eval()(x), x)
    one.train()
    torch.manual_seed(4)
    first = one(x)
    second = one(x)
    torch.manual_seed(4)
    assert torch.equal(one(x), first)
    assert not torch.equal(first, second)


def test_plain_dropout_alone_is_changed():
    net = nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.5), nn.Dropout(0.5, inplace=True), nn.Linear(2, 2))
    kinds = [type(one) for one in draw_masks_fast(net)]
    assert kinds == [MaskedDropout, nn.Dropout2d, nn.Dropout, nn.Linear]
