"""FreeMatch against the paper's recursion in NumPy; state, several processes, edges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.objective import FreeMatch

C = 3
INDEX = torch.arange(8)


def batches(count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        logits = 2 * rng.normal(size=(8, C)) + [1, 0, -1]
        yield np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@settings(deadline=None, max_examples=15)
@given(st.floats(0, 0.999), st.integers(0, 50))
def test_equals_the_recursion(m, seed):
    made, tau, share = FreeMatch(C, momentum=m), 1 / C, np.full(C, 1 / C)
    for p in batches(6, seed):
        tau = m * tau + (1 - m) * np.mean([max(row) for row in p])
        share = np.array([m * share[c] + (1 - m) * np.mean(p[:, c]) for c in range(C)])
        bars = share / share.max() * tau
        found = made.weights(torch.tensor(p), INDEX)
        np.testing.assert_allclose(made.thresholds(), bars, rtol=1e-5)
        margin = np.array([row.max() - bars[row.argmax()] for row in p])
        clear = np.abs(margin) > 1e-5
        assert found.numpy()[clear].tolist() == (margin >= 0)[clear].astype(float).tolist()
        assert (made.thresholds() <= made.level + 1e-6).all()


def test_everything_counts_in_the_beginning_and_less_later():
    made = FreeMatch(C, momentum=0.5)
    assert made.thresholds().tolist() == pytest.approx([1 / 3] * 3)
    found = [made.weights(torch.tensor(p), INDEX).mean().item() for p in batches(8)]
    assert 0 < min(found) < 1


def test_resuming_finds_the_means():
    given_batches = [torch.tensor(p) for p in batches(6)]
    whole, again = FreeMatch(C, momentum=0.5), FreeMatch(C, momentum=0.5)
    for p in given_batches[:3]:
        whole.weights(p, INDEX)
    again.load_state_dict({key: value.clone() for key, value in whole.state_dict().items()})
    for p in given_batches[3:]:
        assert torch.equal(whole.weights(p, INDEX), again.weights(p, INDEX))
    assert torch.equal(whole.thresholds(), again.thresholds())
    with pytest.raises(ValueError, match="saved is"):
        FreeMatch(4).load_state_dict(whole.state_dict())


def test_processes_have_the_means_of_the_whole_batch():
    one, half = FreeMatch(C, momentum=0.5), FreeMatch(C, momentum=0.5)
    for p in map(torch.tensor, batches(3)):
        expected = one.weights(p, INDEX)
        found = half.weights(p[4:], INDEX[4:], gather=lambda part, p=p: p)
        assert torch.equal(found, expected[4:])
        assert torch.equal(half.thresholds(), one.thresholds())


def test_edges_and_refusals():
    one = FreeMatch(1)
    assert one.weights(torch.ones(2, 1), INDEX[:2]).tolist() == [1, 1]
    made = FreeMatch(C)
    assert made.weights(torch.ones(0, C), INDEX[:0]).tolist() == []
    assert made.level == pytest.approx(1 / 3)  # no batch, no change
    with pytest.raises(ValueError, match="shares has 3, classes has 4"):
        made.weights(torch.ones(2, 4) / 4, INDEX[:2])
    with pytest.raises(ValueError, match="momentum must be from 0 to 1"):
        FreeMatch(C, momentum=1.1)
    with pytest.raises(ValueError, match="classes must be >= 1"):
        FreeMatch(0)
