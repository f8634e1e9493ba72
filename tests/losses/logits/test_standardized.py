import numpy as np
import pytest
import torch
from scipy.stats import zscore

from modelheir.losses import standardized


def test_equals_scipy(draw):
    logits = draw(7, 5, scale=3.0, dtype=torch.float64)
    np.testing.assert_allclose(standardized(logits), zscore(logits, axis=1), rtol=1e-6)


def test_only_order_and_relative_gaps_count(draw):
    logits, size, shift = draw(7, 5), draw(7, 1).exp(), draw(7, 1)
    torch.testing.assert_close(standardized(size * logits + shift), standardized(logits), rtol=1e-4, atol=1e-5)


def test_equal_logits_give_zeros_and_a_finite_gradient():
    logits = torch.full((2, 5), 3.0, requires_grad=True)
    value = standardized(logits)
    assert value.eq(0).all()
    value.square().sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_large_half_precision_logits_do_not_overflow():
    value = standardized(torch.tensor([[6e4, -6e4]], dtype=torch.float16))
    torch.testing.assert_close(value, torch.tensor([[1.0, -1.0]]))


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"logits must have two dimensions \(N, C\), got shape \(3,\)"):
        standardized(draw(3))
