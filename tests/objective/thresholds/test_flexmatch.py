"""FlexMatch against counting in NumPy, batch by batch; its warm-up, its state, several processes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.objective import FlexMatch

N, C = 30, 3


def batches(count, seed=0, rows=8, sharpness=3.0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        logits = sharpness * rng.normal(size=(rows, C)) + [1.5, 0, 0]
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        yield p, rng.choice(N, rows, replace=False)


class Counting:
    """The paper's definition, in a loop over all samples."""

    def __init__(self, tau, warm_up):
        self.tau, self.warm_up, self.last = tau, warm_up, dict.fromkeys(range(N))

    def thresholds(self):
        sigma = [sum(one == c for one in self.last.values()) for c in range(C)]
        most = max([*sigma, N - sum(sigma)] if self.warm_up else sigma)
        beta = [s / most if most else 0.0 for s in sigma]
        return np.array([self.tau * b / (2 - b) for b in beta])

    def weights(self, p, index):
        bars = self.thresholds()
        found = [float(row.max() >= bars[row.argmax()]) for row in p]
        for row, sample in zip(p, index, strict=True):
            if row.max() >= self.tau:
                self.last[sample] = int(row.argmax())
        return found


@settings(deadline=None, max_examples=15)
@given(st.booleans(), st.floats(0.3, 0.99), st.integers(0, 50))
def test_equals_counting(warm_up, tau, seed):
    made, loop = FlexMatch(N, C, confidence=tau, warm_up=warm_up), Counting(tau, warm_up)
    for p, index in batches(12, seed):
        found = made.weights(torch.tensor(p), torch.tensor(index))
        assert found.tolist() == loop.weights(p, index)
        np.testing.assert_allclose(made.thresholds(), loop.thresholds(), rtol=1e-6)
        assert (made.thresholds() <= tau + 1e-6).all()


def test_the_weights_vary_in_that_comparison():
    made = FlexMatch(N, C, confidence=0.9, warm_up=False)
    found = torch.cat([made.weights(torch.tensor(p), torch.tensor(index)) for p, index in batches(12)])
    assert 0.1 < found.mean() < 0.98


def test_warm_up_begins_at_zero_and_keeps_thresholds_low():
    sure = torch.tensor([[0.99, 0.005, 0.005]])
    for warm_up, expected in ((True, 0.95 * (1 / 29) / (2 - 1 / 29)), (False, 0.95)):
        made = FlexMatch(N, C, warm_up=warm_up)
        assert made.thresholds().tolist() == [0, 0, 0]
        assert made.weights(torch.full((1, 3), 1 / 3), torch.tensor([5])).tolist() == [1]  # no one was ever sure
        made.weights(sure, torch.tensor([5]))
        np.testing.assert_allclose(made.thresholds(), [expected, 0, 0], rtol=1e-6)


def test_a_sample_that_changes_its_class_is_counted_once_and_one_unsure_keeps_it():
    made, row = FlexMatch(2, 2, confidence=0.9, warm_up=False), torch.tensor([0])
    made.weights(torch.tensor([[0.95, 0.05]]), row)
    made.weights(torch.tensor([[0.05, 0.95]]), row)
    assert made.counts.tolist() == [0, 1, 1]
    made.weights(torch.tensor([[0.6, 0.4]]), row)
    assert made.counts.tolist() == [0, 1, 1]
    assert made.last_sure.tolist() == [1, 2]


def test_resuming_finds_the_counts():
    given_batches = list(batches(6))
    whole, first, again = (FlexMatch(N, C, confidence=0.7) for _ in range(3))
    for p, index in given_batches[:3]:
        whole.weights(torch.tensor(p), torch.tensor(index))
        first.weights(torch.tensor(p), torch.tensor(index))
    again.load_state_dict({key: value.clone() for key, value in first.state_dict().items()})
    for p, index in given_batches[3:]:
        one, other = (made.weights(torch.tensor(p), torch.tensor(index)) for made in (whole, again))
        assert torch.equal(one, other)
    assert torch.equal(whole.counts, again.counts)
    with pytest.raises(ValueError, match="shapes must be equal: saved"):
        FlexMatch(N + 1, C).load_state_dict(first.state_dict())


def test_processes_count_alike():
    """Each sees its half of a batch; both end with the counts of one that sees all."""
    one, halves = FlexMatch(N, C, confidence=0.7), [FlexMatch(N, C, confidence=0.7) for _ in range(2)]
    for p, index in batches(5):
        p, index = torch.tensor(p), torch.tensor(index)
        expected, found = one.weights(p, index), []
        for half, rows in zip(halves, (slice(0, 4), slice(4, 8)), strict=True):
            both = {torch.float64: p, torch.int64: index}
            found.append(half.weights(p[rows], index[rows], gather=lambda part, both=both: both[part.dtype]))
        assert torch.equal(torch.cat(found), expected)
        assert all(torch.equal(half.counts, one.counts) for half in halves)


def test_one_class_and_an_empty_batch():
    made = FlexMatch(2, 1, warm_up=False)
    assert made.weights(torch.ones(2, 1), torch.arange(2)).tolist() == [1, 1]
    assert made.thresholds().tolist() == pytest.approx([0.95])
    assert made.weights(torch.ones(0, 1), torch.arange(0)).tolist() == []


def test_what_does_not_fit_is_refused():
    made = FlexMatch(N, C)
    with pytest.raises(ValueError, match="lengths must be equal: counts has 3, classes has 4"):
        made.weights(torch.ones(2, 4) / 4, torch.arange(2))
    with pytest.raises(ValueError, match="probabilities has 2, index has 3"):
        made.weights(torch.ones(2, 3) / 3, torch.arange(3))
    with pytest.raises(ValueError, match="samples must be >= 1"):
        FlexMatch(0, C)
    with pytest.raises(ValueError, match="confidence must be from 0 to 1"):
        FlexMatch(N, C, confidence=2.0)
