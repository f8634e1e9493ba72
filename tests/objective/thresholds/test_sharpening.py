"""Sharpening against its formula and as a softmax of divided logits; both ends of the temperature; refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.objective import sharpened


@settings(deadline=None, max_examples=25)
@given(st.floats(0.05, 5), st.integers(0, 50))
def test_equals_the_formula_and_divided_logits(temperature, seed):
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed)).double()
    p = logits.softmax(1)
    powers = p.numpy() ** (1 / temperature)
    found = sharpened(p, temperature=temperature)
    np.testing.assert_allclose(found, powers / powers.sum(1, keepdims=True), rtol=1e-9)
    torch.testing.assert_close(found, (logits / temperature).softmax(1))
    assert torch.equal(found.argmax(1), p.argmax(1))


def test_one_leaves_them_and_zero_is_the_limit():
    p = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.4, 0.4]])
    torch.testing.assert_close(sharpened(p, temperature=1.0), p)
    assert sharpened(p, temperature=0.0).tolist() == [[1, 0, 0], [0, 1, 0]]
    torch.testing.assert_close(sharpened(p[:1], temperature=1e-3), sharpened(p[:1], temperature=0.0))


def test_zeros_one_class_half_precision_and_gradients():
    assert sharpened(torch.tensor([[1.0, 0.0]]), temperature=0.5).tolist() == [[1, 0]]
    assert sharpened(torch.ones(2, 1), temperature=0.4).tolist() == [[1], [1]]
    half = torch.full((1, 2), 0.5, dtype=torch.float16, requires_grad=True)
    assert sharpened(half, temperature=0.1).dtype == torch.float32
    assert not sharpened(half, temperature=0.1).requires_grad


def test_refusals():
    with pytest.raises(ValueError, match="temperature must be >= 0"):
        sharpened(torch.ones(1, 2) / 2, temperature=-1.0)
    with pytest.raises(ValueError, match="two dimensions"):
        sharpened(torch.ones(2), temperature=1.0)
