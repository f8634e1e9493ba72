import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from modelheir.metrics.geometry.entropic import transport_bounds


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**31), st.sampled_from([0.5, 0.1, 0.02]))
def test_the_ends_hold_the_least_work_and_are_close(n, m, seed, tolerance):
    cost = np.random.default_rng(seed).exponential(size=(n, m))
    copies = cost.repeat(m, axis=0).repeat(n, axis=1)  # every point as often as the other side has points
    least = copies[linear_sum_assignment(copies)].mean()
    low, high = transport_bounds(cost, tolerance=tolerance)
    assert low - 1e-12 <= least <= high + 1e-12
    assert low**0.5 >= (1 - tolerance) * high**0.5 - 1e-9


def test_a_smaller_tolerance_costs_more_and_gives_more(rng):
    cost = ((rng.normal(size=(60, 1, 3)) - rng.normal(size=(1, 71, 3))) ** 2).sum(axis=2)
    gaps = [high - low for low, high in (transport_bounds(cost, tolerance=t) for t in (0.2, 0.05, 0.01))]
    assert gaps[0] > gaps[1] > gaps[2]


def test_scale_does_not_matter(rng):
    cost = rng.exponential(size=(5, 7))
    low, high = transport_bounds(cost, tolerance=0.05)
    assert transport_bounds(1e12 * cost, tolerance=0.05) == pytest.approx((1e12 * low, 1e12 * high))


def test_nothing_to_move_is_no_work():
    assert transport_bounds(np.zeros((3, 4)), tolerance=0.01) == (0.0, 0.0)


def test_a_row_is_no_matrix():
    with pytest.raises(ValueError, match="two dimensions"):
        transport_bounds(np.zeros(3), tolerance=0.01)
