import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.data.quotas import balanced_quotas, stratified_quotas
from modelheir.selection.replay import class_quotas

SIZES = st.lists(st.integers(1, 30), min_size=1, max_size=7)


@settings(deadline=None, max_examples=60)
@given(SIZES)
def test_in_proportion_at_every_total_and_none_is_lost(sizes):
    whole, before = sum(sizes), np.zeros(len(sizes), int)
    for total in range(whole + 1):
        found = stratified_quotas(np.array(sizes), total)
        assert found.sum() == total
        for c, size in enumerate(sizes):
            part = Fraction(total * size, whole)
            assert math.floor(part) <= found[c] <= math.ceil(part)
        assert (found >= before).all()
        before = found


def test_where_the_largest_remainders_take_a_place_back():
    """Alabama: 5, 5 and 1 of 11; of 3 places the small class would have one, of 4 places none."""
    sizes = np.array([6, 6, 2])
    largest = []
    for total in (10, 11):
        part = total * sizes / sizes.sum()
        order = np.argsort(np.floor(part) - part, kind="stable")
        quotas = np.floor(part).astype(int)
        quotas[order[: total - quotas.sum()]] += 1
        largest.append(quotas.tolist())
    assert largest == [[4, 4, 2], [5, 5, 1]]  # the fault, in the textbook's own rule
    small, large = (stratified_quotas(sizes, total) for total in (10, 11))
    assert (small <= large).all()


@settings(deadline=None, max_examples=60)
@given(SIZES, st.integers(0, 210))
def test_evenly_against_the_loop_of_replay(sizes, total):
    total = min(total, sum(sizes))
    found = balanced_quotas(np.array(sizes), total)
    expected = class_quotas(np.repeat(np.arange(len(sizes)), sizes), total)
    assert found.tolist() == [expected[c] for c in range(len(sizes))]


def test_errors():
    with pytest.raises(ValueError, match="total must be from 0 to 3"):
        stratified_quotas(np.array([1, 2]), 4)
    with pytest.raises(ValueError, match="total must be from 0 to 3"):
        balanced_quotas(np.array([1, 2]), 4)
    with pytest.raises(ValueError, match="counts must be >= 1"):
        stratified_quotas(np.array([1, 0]), 1)
    assert balanced_quotas(np.array([3, 0]), 2).tolist() == [2, 0]
