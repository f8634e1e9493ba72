"""SoftMatch: mean and variance by hand, the weight by its formula, state, several processes, edges."""

import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.objective import SoftMatch

INDEX = torch.arange(8)


def batches(count, seed=0, classes=3):
    generator = torch.Generator().manual_seed(seed)
    return [(2 * torch.randn(8, classes, generator=generator)).softmax(1).double() for _ in range(count)]


@settings(deadline=None, max_examples=15)
@given(st.floats(0, 0.999), st.floats(0.1, 5), st.integers(0, 50))
def test_equals_the_formula_in_a_loop(m, spread, seed):
    made, mean, variance = SoftMatch(3, momentum=m, spread=spread), 1 / 3, 1.0
    for p in batches(5, seed):
        q = [max(row) for row in p.tolist()]
        mean = m * mean + (1 - m) * statistics.mean(q)
        variance = m * variance + (1 - m) * statistics.variance(q)  # divides by B - 1
        expected = [math.exp(-(min(one - mean, 0) ** 2) * spread**2 / (2 * variance)) for one in q]
        found = made.weights(p, INDEX)
        assert found.tolist() == pytest.approx(expected, rel=1e-3, abs=1e-6)
        assert ((found >= 0) & (found <= 1)).all()


def test_two_steps_by_hand():
    made = SoftMatch(2, momentum=0.5)
    made.weights(torch.tensor([[0.8, 0.2], [0.4, 0.6]]), INDEX[:2])  # mean 0.7, variance 0.02
    assert made.mean.item() == pytest.approx(0.6)
    assert made.variance.item() == pytest.approx(0.51)
    found = made.weights(torch.tensor([[0.9, 0.1], [0.5, 0.5]]), INDEX[:2])  # mean 0.7, variance 0.08
    assert made.mean.item() == pytest.approx(0.65)
    assert made.variance.item() == pytest.approx(0.295)
    assert found.tolist() == pytest.approx([1, math.exp(-4 * 0.15**2 / (2 * 0.295))])


def test_surer_never_weighs_less():
    made = SoftMatch(2, momentum=0.0)
    q = torch.linspace(0.5, 1, 8)
    found = made.weights(torch.stack([q, 1 - q], dim=1), INDEX)
    assert (found.diff() >= 0).all()
    assert (found[q >= q.mean()] == 1).all()
    assert found[0] < 0.2


def test_resuming_finds_mean_and_variance():
    whole, again = SoftMatch(3, momentum=0.5), SoftMatch(3, momentum=0.5)
    first, *later = batches(4)
    whole.weights(first, INDEX)
    again.load_state_dict({key: value.clone() for key, value in whole.state_dict().items()})
    for p in later:
        assert torch.equal(whole.weights(p, INDEX), again.weights(p, INDEX))


def test_processes_have_the_moments_of_the_whole_batch():
    one, half = SoftMatch(3, momentum=0.5), SoftMatch(3, momentum=0.5)
    for p in batches(3):
        expected = one.weights(p, INDEX)
        found = half.weights(p[4:], INDEX[4:], gather=lambda part, p=p: p.amax(1))
        assert torch.equal(found, expected[4:])


def test_edges_and_refusals():
    one = SoftMatch(1, momentum=0.0)
    assert one.weights(torch.ones(3, 1), INDEX[:3]).tolist() == [1, 1, 1]  # variance 0
    made = SoftMatch(2)
    assert made.weights(torch.tensor([[0.9, 0.1]]), INDEX[:1]).isfinite().all()
    assert made.variance == 1
    assert made.weights(torch.ones(0, 2), INDEX[:0]).tolist() == []
    with pytest.raises(ValueError, match="spread must be > 0"):
        SoftMatch(2, spread=0.0)
    with pytest.raises(ValueError, match="momentum must be from 0 to 1"):
        SoftMatch(2, momentum=-0.1)
    with pytest.raises(ValueError, match="two dimensions"):
        made.weights(torch.ones(2), INDEX[:2])
