import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from modelheir import losses

DUMMIES = {"scalar": 1, "classes": 3}


def of_autograd(logits, labels, width):
    """The gradient of the mean cross-entropy with respect to the dummy."""
    dummy = torch.ones(width, dtype=logits.dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits * dummy, labels), dummy, create_graph=True)
    return gradient


@pytest.mark.parametrize("dummy", DUMMIES)
def test_the_closed_form_is_autograds_and_so_is_the_penaltys_own_gradient(draw, dummy):
    logits, labels = draw(7, 3, scale=2.0, dtype=torch.float64).requires_grad_(), torch.tensor([0, 1, 2, 2, 1, 0, 0])
    wanted = of_autograd(logits, labels, DUMMIES[dummy])
    torch.testing.assert_close(losses.irm_gradient(logits, labels, dummy=dummy).mean(dim=0), wanted)
    square = losses.irm_square(logits, labels, dummy=dummy)
    torch.testing.assert_close(square, wanted.square().sum())
    for ours, theirs in zip(
        torch.autograd.grad(square, logits), torch.autograd.grad(wanted.square().sum(), logits), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dummy", DUMMIES)
@pytest.mark.parametrize("n", [4, 5])
def test_the_halves_follow_the_drawn_order(draw, dummy, n):
    logits, labels = draw(n, 3), torch.tensor([0, 1, 2, 2, 1])[:n]
    order = torch.randperm(n, generator=torch.Generator().manual_seed(5))
    first, second = order[0::2], order[1::2]
    wanted = (
        of_autograd(logits[first], labels[first], DUMMIES[dummy])
        * of_autograd(logits[second], labels[second], DUMMIES[dummy])
    ).sum()
    got = losses.irm_halves(logits, labels, generator=torch.Generator().manual_seed(5), dummy=dummy)
    torch.testing.assert_close(got, wanted)


def test_the_product_of_halves_is_unbiased(draw):
    """Over all pairs of independent draws from three images, its mean is the squared norm over the three."""
    logits, labels = draw(3, 3, dtype=torch.float64), torch.tensor([0, 1, 2])
    products = [
        losses.irm_halves(logits[[i, j]], labels[[i, j]], generator=torch.Generator().manual_seed(0), dummy="classes")
        for i, j in itertools.product(range(3), repeat=2)
    ]
    torch.testing.assert_close(torch.stack(products).mean(), losses.irm_square(logits, labels, dummy="classes"))


def test_a_constant_predictor_at_its_optimum_has_no_penalty():
    labels = torch.tensor([0, 0, 0, 1])
    logits = torch.tensor([np.log(3.0), 0.0]).float().expand(4, 2)
    assert losses.irm_square(logits, labels).item() == pytest.approx(0, abs=1e-12)
    assert losses.irm_square(logits * 2, labels).item() > 1e-3


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 9), st.integers(2, 5), st.integers(0, 10**6))
def test_the_scalar_gradient_sums_the_classes_and_order_does_not_matter(n, c, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, c, generator=generator, dtype=torch.float64)
    labels = torch.randint(c, (n,), generator=generator)
    torch.testing.assert_close(
        losses.irm_gradient(logits, labels, dummy="classes").sum(1, keepdim=True), losses.irm_gradient(logits, labels)
    )
    order = torch.randperm(n, generator=generator)
    torch.testing.assert_close(losses.irm_square(logits[order], labels[order]), losses.irm_square(logits, labels))
    assert losses.irm_square(logits, labels) >= 0


def test_half_precision_is_widened():
    logits = torch.tensor([[300.0, -300.0], [1.0, 0.0]], dtype=torch.float16)
    value = losses.irm_square(logits, torch.tensor([1, 0]))
    assert value.dtype == torch.float32
    assert value.isfinite()


def test_says_what_is_wrong():
    one = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="images must be >= 2, got 1"):
        losses.irm_halves(one, torch.tensor([0]), generator=torch.Generator())
    with pytest.raises(ValueError, match="images must be >= 1, got 0"):
        losses.irm_square(one[:0], torch.zeros(0, dtype=torch.long))
    with pytest.raises(ValueError, match="labels must have shape"):
        losses.irm_gradient(one, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"unknown dummy 'class'\. Did you mean 'classes'"):
        losses.irm_gradient(one, torch.tensor([0]), dummy="class")  # type: ignore[arg-type]


def test_the_coefficient_waits():
    assert losses.annealed_coefficient(0, coefficient=10, anneal_steps=0) == 10
    assert losses.annealed_coefficient(4, coefficient=10, anneal_steps=5) == 1
    with pytest.raises(ValueError, match="coefficient must be >= 0"):
        losses.annealed_coefficient(0, coefficient=-1, anneal_steps=0)
