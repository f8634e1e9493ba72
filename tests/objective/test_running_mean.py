import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from modelheir.objective.running_mean import RunningMean


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(0, 1))
def test_it_is_the_weighted_mean_of_all_values(values, decay):
    running = RunningMean(torch.zeros(2, dtype=torch.float64), decay=decay)
    for value in values:
        running.add(torch.tensor([value, -value], dtype=torch.float64))
    weights = decay ** np.arange(len(values))[::-1].astype(float)
    expected = np.average(values, weights=weights)
    np.testing.assert_allclose(running.value, [expected, -expected], atol=1e-9)


def test_before_the_first_value_it_is_the_start_and_one_that_is_not_finite_counts_nothing():
    running = RunningMean(torch.tensor([5.0, 6.0]), decay=0.9)
    assert running.value.tolist() == [5, 6]
    running.add(torch.tensor([1.0, 2.0]))
    running.add(torch.tensor([float("nan"), 4.0]))
    assert running.value[0] == 1
    assert running.value.isfinite().all()


def test_state_round_trip_goes_on_the_same():
    a, b = (RunningMean(torch.zeros(2), decay=0.5) for _ in range(2))
    a.add(torch.ones(2))
    b.load_state_dict({name: value.clone() for name, value in a.state_dict().items()})
    for one in (a, b):
        one.add(torch.tensor([3.0, 4.0]))
    assert torch.equal(a.value, b.value)
    with pytest.raises(ValueError, match=r"saved is \(2,\), start is \(3,\)"):
        RunningMean(torch.zeros(3), decay=0.5).load_state_dict(a.state_dict())


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="decay must be from 0 to 1"):
        RunningMean(torch.zeros(1), decay=1.5)
    with pytest.raises(ValueError, match=r"values is \(2,\), start is \(1,\)"):
        RunningMean(torch.zeros(1), decay=1).add(torch.ones(2))
