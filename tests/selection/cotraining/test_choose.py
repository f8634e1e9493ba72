import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.selection.cotraining.choose import (
    above_threshold,
    certain_count,
    largest_remainder,
    of_each_class,
    surest,
)
from modelheir.selection.cotraining.opinions import Opinion

C = 4


def draw(seed, n=40, levels=8):
    """Opinions with ties, half of the rows in the pool."""
    generator = np.random.default_rng(seed)
    opinion = Opinion(generator.integers(0, C, n), generator.integers(1, levels, n) / levels)
    return opinion, np.flatnonzero(generator.random(n) < 0.5), generator.permutation(n)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999), st.integers(0, 30), st.lists(st.integers(0, 9), min_size=C, max_size=C).filter(any))
def test_against_sorting_by_hand(seed, limit, frequencies):
    opinion, rows, tie = draw(seed)
    order = sorted(rows.tolist(), key=lambda row: (-opinion.confidence[row], tie[row]))
    assert surest(opinion, rows, limit, tie=tie).tolist() == order[:limit]
    sure = [row for row in order if opinion.confidence[row] >= 0.5]
    assert above_threshold(opinion, rows, limit, threshold=0.5, tie=tie).tolist() == sure[:limit]
    quotas, wanted = largest_remainder(np.array(frequencies), limit), []
    left = quotas.tolist()
    for row in order:
        if left[opinion.label[row]]:
            left[opinion.label[row]] -= 1
            wanted.append(row)
    found = of_each_class(opinion, rows, limit, frequencies=np.array(frequencies), tie=tie)
    assert found.tolist() == wanted
    assert (np.bincount(opinion.label[found], minlength=C) <= quotas).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any), st.integers(0, 60))
def test_largest_remainders(frequencies, total):
    found = largest_remainder(np.array(frequencies), total)
    part = [total * one / sum(frequencies) for one in frequencies]
    assert found.sum() == total
    assert all(abs(n - share) < 1 for n, share in zip(found, part, strict=True))
    up = [share - n for n, share in zip(found, part, strict=True) if n < share - 1e-9]
    down = [n - share for n, share in zip(found, part, strict=True) if n > share + 1e-9]
    if up and down:  # whoever got a place more had no smaller a remainder than whoever did not
        assert max(up) <= 1 - max(down) + 1e-9


def test_of_equal_remainders_the_first_classes_are_taken():
    assert np.flatnonzero(largest_remainder(np.ones(40), 7)).tolist() == list(range(7))
    assert largest_remainder(np.full(40, 0.1), 87).tolist() == [3] * 7 + [2] * 33
    assert largest_remainder(np.array([7, 1, 2]), 2).tolist() == [2, 0, 0]  # 1.4 and 0.4: equal but for rounding


def test_as_many_as_are_certain_worked_by_hand():
    unsure = np.array([0.0, 0.001, 0.002, 0.5, 0.0, 0.003, 0.4, 1.0])
    opinion = Opinion(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 1 - unsure)
    rows = np.arange(8)
    assert math.sqrt(0.003) < 0.075  # so five rows are certain: three of class 0, two of class 1
    found = {
        name: certain_count(opinion, rows, frequencies=np.array(shares), uncertainty=0.075)
        for name, shares in {"even": (1, 1), "three to one": (3, 1), "one to three": (1, 3)}.items()
    }
    assert found == {"even": 4, "three to one": 4, "one to three": 2}  # floor(2 / 0.75)
    assert certain_count(opinion, rows, frequencies=np.array([1, 1]), uncertainty=1.0) == 8
    assert certain_count(opinion, rows[4:], frequencies=np.array([1, 0]), uncertainty=1.0) == 0


def test_a_class_that_has_run_out_stops_no_other():
    """The published count is 0 then, and its loops over the class lists do not end (Q-19)."""
    opinion = Opinion(np.array([0, 0, 0, 1, 1]), np.array([0.99, 0.98, 0.97, 0.6, 0.5]))
    rows, thirds = np.arange(5), np.ones(3)
    count = certain_count(opinion, rows, frequencies=thirds, uncertainty=0.1)
    assert count == 3  # nobody says class 2; of class 1 nothing is certain, so its surest counts as one
    found = of_each_class(opinion, rows, count, frequencies=thirds, tie=rows)
    assert found.tolist() == [0, 3]
    everything = of_each_class(opinion, rows, 99, frequencies=thirds, tie=rows)
    assert everything.tolist() == [0, 1, 2, 3, 4]
    assert certain_count(opinion, rows[:0], frequencies=thirds, uncertainty=0.1) == 0
    assert of_each_class(opinion, rows[:0], 5, frequencies=thirds, tie=rows).tolist() == []


def test_equally_sure_rows_are_all_certain():
    opinion = Opinion(np.array([0, 1, 1]), np.full(3, 0.7))
    assert certain_count(opinion, np.arange(3), frequencies=np.array([1, 2]), uncertainty=0.0) == 3


def test_errors():
    opinion, rows, tie = draw(0)
    with pytest.raises(ValueError, match="limit must be >= 0"):
        surest(opinion, rows, -1, tie=tie)
    for wrong in (np.zeros(C), np.array([1, -1, 1, 1]), np.array([1, np.nan, 1, 1]), np.ones((1, C))):
        with pytest.raises(ValueError, match="frequencies must be numbers >= 0"):
            of_each_class(opinion, rows, 3, frequencies=wrong, tie=tie)
