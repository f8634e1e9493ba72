import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.metrics import streaming
from modelheir.metrics.accuracy import accuracy
from modelheir.metrics.flips import flip_rates

NAMES = {
    "nfr": streaming.NegativeFlipRate,
    "nfi": streaming.NegativeFlipImpact,
    "pfr": streaming.PositiveFlipRate,
    "pfi": streaming.PositiveFlipImpact,
}


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=6),
    st.integers(1, 4),
)
@pytest.mark.parametrize("name", NAMES)
def test_any_split_over_any_processes_is_one_shot(name, rows, cuts, processes):
    old, new, label = np.array(rows).T
    ranks = [NAMES[name]() for _ in range(processes)]
    for number, part in enumerate(np.split(np.arange(len(label)), sorted(cuts))):
        ranks[number % processes].update(old[part], new[part], label[part])
    total = NAMES[name]()
    for rank in ranks:
        assert total.merge(rank) is total
    assert total.compute() == flip_rates(old, new, label)[name]
    assert total.counts.dtype == np.int64


def test_accuracy_and_unlabelled_images():
    metric = streaming.Accuracy()
    metric.update([0, 1], [0, 0])
    metric.update([1, 2, 0], [1, 1, -1])
    assert metric.compute() == accuracy([0, 1, 1, 2], [0, 0, 1, 1])
    other = streaming.Accuracy()
    other.update([3], [3])
    assert metric.merge(other).compute() == 3 / 5
    metric.reset()
    assert np.isnan(metric.compute())
    flips = streaming.NegativeFlipRate()
    flips.update([0, 1], [1, 1], [0, -1])
    assert flips.compute() == 1
    flips.reset()
    assert np.isnan(flips.compute())


def test_no_errors_is_zero_not_a_division_by_zero():
    metric = streaming.NegativeFlipImpact()
    metric.update([0], [0], [0])
    assert metric.compute() == 0


@pytest.mark.extras
def test_torch_tensors_are_taken():
    import torch

    metric = streaming.NegativeFlipRate()
    metric.update(torch.tensor([0, 1]), torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert metric.compute() == 0.5


def test_a_counter_gives_all_rates_and_starts_at_nothing():
    counter = streaming.FlipCounter()
    assert counter.counts.tolist() == [0] * 5
    counter.update([0, 1, 2], [0, 2, 2], [0, 1, -1])
    assert counter.counts.tolist() == [1, 1, 0, 0, 0]
    assert counter.rates()["nfr"] == 0.5
    counter.update([0], [0], [0])
    assert counter.counts.tolist() == [2, 1, 0, 0, 0]
    counter.reset()
    assert counter.counts.tolist() == [0] * 5
    assert {name: made.name for name, made in NAMES.items()} == {name: name for name in NAMES}
