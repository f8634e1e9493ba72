import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.data.cascade import cascade_balanced, cascade_round, cascade_stratified


def by_hand(values):
    total, found = 0.0, []
    for value in values:
        total += value
        found.append(int(-(-value // 1)) if total % 1 > 0.5 else int(value // 1))
    return found


@settings(deadline=None)
@given(st.lists(st.floats(0, 50), max_size=9))
def test_against_a_loop(values):
    assert cascade_round(np.array(values)).tolist() == by_hand(values)


def test_the_total_is_not_kept():
    assert cascade_round(np.full(8, 0.5)).sum() == 0
    assert cascade_round(np.array([0.6, 1.0, 1.0])).sum() == 3  # whole numbers stay
    assert cascade_round(np.array([0.6] * 3)).tolist() == [1, 0, 1]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 100))
def test_balanced_reaches_the_share_with_no_more_than_there_are(counts, percent):
    found = cascade_balanced(np.array(counts), percent / 100)
    assert (found <= counts).all()
    wanted = percent / 100 * sum(counts)
    assert wanted <= found.sum() <= wanted + 2 * len(counts) + 1
    assert all(n == min(1, have) for n, have in zip(found, counts, strict=True)) or found.max() > 1


def test_worked_by_hand():
    assert cascade_stratified(np.array([20, 30, 50]), 0.05).tolist() == by_hand([1.0, 1.5, 2.5]) == [1, 1, 2]
    assert cascade_balanced(np.array([2, 30, 68]), 0.1).tolist() == [2, 4, 4]
    assert cascade_balanced(np.array([50, 50]), 0.1).tolist() == [5, 5]


def test_errors():
    with pytest.raises(ValueError, match="numbers >= 0"):
        cascade_round(np.array([0.5, -0.1]))
    with pytest.raises(ValueError, match="numbers >= 0"):
        cascade_round(np.array([np.nan]))
    for rule in (cascade_balanced, cascade_stratified):
        with pytest.raises(ValueError, match="share must be from 0 to 1"):
            rule(np.array([5]), 1.5)
