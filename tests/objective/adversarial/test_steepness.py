"""Alignment of gradients of a quadratic in closed form, bounds, images without a slope, and gradients into weights."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine
from torch.autograd import gradcheck

from modelheir.objective.adversarial import gradient_alignment


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999))
def test_of_a_quadratic_it_is_the_cosine_of_its_slopes(seed):
    """Of ``x' A x / 2`` the slope at ``x`` is ``A x``; SciPy's cosine distance is 1 - cos."""
    rng = np.random.default_rng(seed)
    a, x, step = rng.normal(size=(5, 5)), rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    a = a + a.T
    matrix = torch.from_numpy(a)
    loss = lambda one: 0.5 * ((one @ matrix) * one).sum(1)  # noqa: E731
    found = gradient_alignment(loss, torch.from_numpy(x), torch.from_numpy(step))
    expected = [cosine(one @ a, (one + more) @ a) for one, more in zip(x, step, strict=True)]
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)
    assert ((found >= -1e-6) & (found <= 2 + 1e-6)).all()


def test_a_linear_loss_is_aligned_and_one_without_a_slope_counts_nothing():
    x, step = torch.rand(2, 3), torch.rand(2, 3)
    weight = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    torch.testing.assert_close(gradient_alignment(lambda one: one @ weight, x, step), torch.zeros(2), atol=1e-6, rtol=0)
    flat = torch.tensor([0.0, 0.0, 0.0], requires_grad=True)
    found = gradient_alignment(lambda one: (one @ flat).square(), x, step)
    assert found.tolist() == [0.0, 0.0]
    found.sum().backward()
    assert flat.grad.isfinite().all()


def test_gradients_flow_through_both_slopes():
    x, step = torch.rand(2, 3, dtype=torch.float64), torch.rand(2, 3, dtype=torch.float64)

    def of(weight):
        return gradient_alignment(lambda one: (one @ weight).tanh().square().sum(1), x, step).double()

    weight = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert gradcheck(of, weight, eps=1e-3, atol=1e-2, rtol=1e-2)  # slopes are compared in float32


def test_very_small_slopes_are_compared_all_the_same():
    x, step = torch.rand(1, 4), torch.rand(1, 4)
    weight = torch.full((4,), 1e-30)
    found = gradient_alignment(lambda one: one @ weight + 1e-30 * one[:, 0].square(), x, step)
    assert 0 <= float(found.detach()) < 0.5


def test_shapes_must_be_equal():
    with pytest.raises(ValueError, match="shapes must be equal"):
        gradient_alignment(lambda one: one.sum(1), torch.zeros(2, 3), torch.zeros(2, 2))
