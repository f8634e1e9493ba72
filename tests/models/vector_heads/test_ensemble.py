"""Stacked members against a loop over members, and the joint logits and uncertainty against NumPy."""

import math

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from modelheir.models import joined_logits, joined_uncertainty
from modelheir.models.vector_heads.ensemble import StackedLayers
from modelheir.models.vector_heads.layers import make_layers

M, N, D, C = 5, 7, 4, 3
KINDS = {
    "linear": {},
    "mlp": {"hidden": (6, 5), "batch_norm": True},
    "fcnn": {"hidden": (6, 5)},
    "fcnn documented": {"hidden": (6, 5, 4), "documented": True},
}
every = pytest.mark.parametrize("kind", KINDS)


def members(kind, count=M):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        return [make_layers(kind.split()[0], D, C, **KINDS[kind]).double() for _ in range(count)]


@every
@pytest.mark.parametrize("training", [True, False])
def test_the_stack_equals_a_loop_in_values_gradients_and_statistics(draw, kind, training):
    """Both modes: the public code only ever ran one of them."""
    own, x = members(kind), draw(N, D, dtype=torch.float64)
    stack = StackedLayers(own).train(training)
    expected = torch.stack([one.train(training)(x)[0] for one in own])
    found = stack(x)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    (weight,) = draw(1, M, N, C, dtype=torch.float64)
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    for name, whole in stack.members.named_parameters():
        theirs = torch.stack([dict(one.named_parameters())[name].grad for one in own])
        torch.testing.assert_close(whole.grad, theirs, rtol=0, atol=1e-12)
    for name, whole in stack.members.named_buffers():
        theirs = torch.stack([dict(one.named_buffers())[name] for one in own])
        torch.testing.assert_close(whole, theirs, rtol=0, atol=1e-12)


def test_members_drop_different_values_in_training(draw):
    first, x = make_layers("mlp", D, C, hidden=(6, 5), dropout=0.5), draw(N, D)
    stack = StackedLayers([first] * 3)
    torch.manual_seed(0)
    found = stack.train()(x)[0]
    assert not torch.equal(found[0], found[1])
    found = stack.eval()(x)[0]
    torch.testing.assert_close(found[0], found[1])


def test_weights_can_be_replaced_in_a_call(draw):
    """As an update that looks ahead does."""
    stack, x = StackedLayers(members("fcnn")).eval(), draw(N, D, dtype=torch.float64)
    moved = {name: (1.1 * value.detach()).requires_grad_() for name, value in stack.named_parameters()}
    found = functional_call(stack, moved, (x,))[0]
    assert not torch.equal(found, stack(x)[0])
    assert all(grad.abs().sum() > 0 for grad in torch.autograd.grad(found.square().sum(), list(moved.values())))


def test_one_member_is_itself(draw):
    own, x = members("mlp", 1)[0].eval(), draw(N, D, dtype=torch.float64)
    expected = own(x)[0]
    stack = StackedLayers([own]).eval()
    torch.testing.assert_close(joined_logits(stack(x)[0]), expected, rtol=0, atol=1e-12)


def test_joined_logits_and_uncertainty_by_a_loop(draw):
    logits = draw(M, N, C, scale=3.0, dtype=torch.float64)
    z = logits.numpy()
    expected = np.zeros((N, C))
    for n in range(N):
        for c in range(C):
            values = [z[m, n, c] for m in range(M)]
            mean = sum(values) / M
            variance = sum((value - mean) ** 2 for value in values) / (M - 1)
            expected[n, c] = mean / math.sqrt(1 + 0.3 * variance)
    np.testing.assert_allclose(joined_logits(logits), expected, rtol=1e-12)
    unsure = [1 - np.mean([scipy.special.softmax(z[m, n])[expected[n].argmax()] for m in range(M)]) for n in range(N)]
    np.testing.assert_allclose(joined_uncertainty(logits), unsure, rtol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 100))
def test_members_have_no_order_and_agreement_is_left_alone(count, classes, seed):
    logits = torch.randn(count, 5, classes, generator=torch.Generator().manual_seed(seed)).double()
    found = joined_logits(logits)
    torch.testing.assert_close(joined_logits(logits.flip(0)), found)
    assert (found.abs() <= logits.mean(0).abs() + 1e-12).all()
    torch.testing.assert_close(joined_logits(logits[:1].expand(count, -1, -1)), logits[0])
    unsure = joined_uncertainty(logits)
    assert ((unsure >= 0) & (unsure <= 1 - 1 / classes + 1e-12 if count == 1 else unsure <= 1)).all()


def test_half_precision_is_widened_and_one_class_is_sure():
    wide = torch.full((3, 2, 2), 300.0, dtype=torch.float16)
    wide[0] = -300
    assert joined_logits(wide).dtype == torch.float32
    assert joined_logits(wide).isfinite().all()
    torch.testing.assert_close(joined_uncertainty(torch.randn(3, 4, 1, generator=torch.Generator())), torch.zeros(4))


def test_what_is_no_stack_is_refused():
    for shape in ((2, 3), (0, 2, 3), (1, 2, 3, 4)):
        with pytest.raises(ValueError, match="members must have three dimensions"):
            joined_logits(torch.zeros(shape))
    with pytest.raises(ValueError, match="members must be >= 1"):
        StackedLayers([])


def test_stacked_values_are_weights_and_statistics_of_the_members():
    stack = StackedLayers(members("mlp"))
    assert {name: tuple(value.shape) for name, value in stack.state_dict().items()}["members.last.weight"] == (M, C, 5)
    assert {type(one) for one in stack.parameters()} == {nn.Parameter}
    assert len(list(stack.buffers())) == 6
