import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from modelheir.models.bodies.stochastic_depth import StochasticBlock, keep_probabilities, resnet_stochastic_depth


def blocks(body):
    return [part for part in body.modules() if isinstance(part, StochasticBlock)]


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 60), st.floats(0, 1), st.floats(0, 1))
def test_keep_probabilities_are_linear(count, first, last):
    found = keep_probabilities(count, first=first, last=last)
    np.testing.assert_allclose(found, np.linspace(first, last, count), atol=1e-12)


def test_one_block_keeps_the_first_probability():
    assert keep_probabilities(1, first=0.9, last=0.2) == [0.9]


def test_every_block_of_the_net_has_its_probability_and_options():
    body = resnet_stochastic_depth("resnet34", multiply=False, force_sampling=True)
    found = blocks(body)
    assert len(found) == 16
    np.testing.assert_allclose([b.keep for b in found], np.linspace(1, 0.5, 16))
    assert all(b.force_sampling and not b.multiply for b in found)  # every block, not each stage's first


def make(kind, **options):
    torch.manual_seed(1)
    if kind == "basic":
        block, width = BasicBlock(6, 6), 6
    else:
        down = nn.Sequential(nn.Conv2d(6, 16, 1, stride=2, bias=False), nn.BatchNorm2d(16))
        block, width = Bottleneck(6, 4, 2, down), 6
    return StochasticBlock(block, **options), torch.randn(3, width, 6, 6)


@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
def test_keep_one_is_the_plain_block(kind):
    gated, x = make(kind, keep=1.0)
    for mode in (True, False):
        gated.train(mode)
        torch.testing.assert_close(gated(x), gated.block(x))


@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
def test_keep_zero_is_the_shortcut(kind):
    gated, x = make(kind, keep=0.0)
    shortcut = x if gated.block.downsample is None else gated.block.downsample(x)
    torch.testing.assert_close(gated(x), shortcut.relu())
    gated.eval()
    shortcut = x if gated.block.downsample is None else gated.block.downsample(x)
    torch.testing.assert_close(gated(x), shortcut.relu())


def test_evaluation_multiplies_the_branch_by_its_probability():
    gated, x = make("basic", keep=0.7)
    gated.eval()
    torch.testing.assert_close(gated(x), (x + 0.7 * gated.branch(x)).relu())
    gated.multiply = False
    torch.testing.assert_close(gated(x), (x + gated.branch(x)).relu())


def test_one_draw_a_batch_at_the_stated_rate():
    gated, x = make("basic", keep=0.6)
    gated.block.eval()  # fixed statistics; the gate itself still trains
    off, on = x.relu(), (x + gated.branch(x)).relu()
    torch.manual_seed(0)
    kept = 0
    for _ in range(400):
        y = gated(x)
        whole = torch.allclose(y, on)
        assert whole or torch.allclose(y, off)  # all images or none
        kept += whole
    assert abs(kept / 400 - 0.6) < 4 * (0.6 * 0.4 / 400) ** 0.5


def test_force_sampling_draws_in_evaluation():
    body = resnet_stochastic_depth("resnet18", keep_first=0.5, force_sampling=True).eval()
    x = torch.randn(1, 3, 32, 32)
    assert len({float(body(x).sum().detach()) for _ in range(12)}) > 1
    still = resnet_stochastic_depth("resnet18", keep_first=0.5).eval()
    assert torch.equal(still(x), still(x))


def test_a_dropped_branch_has_zero_gradients_not_missing_ones():
    gated, x = make("basic", keep=0.0)
    x.requires_grad_()
    gated(x).sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in gated.block.parameters())
    assert x.grad is not None
    assert x.grad.any()


def test_zero_init_residual_is_torchvisions():
    body = resnet_stochastic_depth("resnet50", zero_init_residual=True)
    assert all(not b.block.bn3.weight.any() for b in blocks(body))


def test_probability_out_of_range():
    with pytest.raises(ValueError, match="last must be from 0 to 1"):
        resnet_stochastic_depth("resnet18", keep_last=1.5)
