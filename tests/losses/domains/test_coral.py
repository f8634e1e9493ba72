import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir import losses


def by_numpy(a, b):
    d = a.shape[1]
    return ((np.cov(a, rowvar=False).reshape(d, d) - np.cov(b, rowvar=False).reshape(d, d)) ** 2).sum() / (4 * d**2)


def test_equals_numpy(draw):
    a, b = draw(7, 3, dtype=torch.float64), draw(5, 3, scale=2.0, dtype=torch.float64)
    assert losses.coral(a, b).item() == pytest.approx(by_numpy(a.numpy(), b.numpy()))
    assert losses.coral(a[:, :1], b[:, :1]).item() == pytest.approx(by_numpy(a[:, :1].numpy(), b[:, :1].numpy()))


def test_of_pairs_is_the_mean_over_pairs(draw):
    domains = [draw(n, 3, dtype=torch.float64) for n in (4, 5, 6)]
    wanted = np.mean([by_numpy(a.numpy(), b.numpy()) for a, b in itertools.combinations(domains, 2)])
    assert losses.coral_of_pairs(domains).item() == pytest.approx(wanted)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 8), st.integers(2, 8), st.integers(1, 4), st.integers(0, 10**6))
def test_blind_to_means_and_order_and_even_between_domains(n, m, d, seed):
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(k, d, generator=generator, dtype=torch.float64) for k in (n, m))
    value = losses.coral(a, b)
    torch.testing.assert_close(losses.coral(b, a.flip(0) + 3), value)
    torch.testing.assert_close(losses.coral(a, a - 7), torch.zeros((), dtype=torch.float64))


def test_gradients_flow_into_both_and_half_precision_is_widened(draw):
    a, b = draw(4, 3).requires_grad_(), draw(5, 3).requires_grad_()
    losses.coral(a, b).backward()
    assert a.grad is not None
    assert b.grad is not None
    assert a.grad.ne(0).any()
    assert b.grad.ne(0).any()
    wide = losses.coral(a.detach().half(), b.detach().half())
    assert wide.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(losses.coral(a, b), losses.coral(a.double(), b.double()).float())


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="images must be >= 2, got 1"):
        losses.coral(torch.ones(1, 2), torch.ones(3, 2))
    with pytest.raises(ValueError, match="first 2, second 3"):
        losses.coral(torch.ones(2, 2), torch.ones(2, 3))
    with pytest.raises(ValueError, match="domains must be >= 2"):
        losses.coral_of_pairs([torch.ones(2, 2)])
