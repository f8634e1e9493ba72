import pytest

from modelheir.methods.subspace.build import _latest


@pytest.mark.parametrize(("count", "left"), [(0, 0), (1, 1), (2, 2), (3, 2), (10, 6), (41, 25)])
def test_the_latest_three_fifths_are_taken_where_nothing_is_said(count, left):
    assert _latest(range(count), "") == list(range(count))[count - left :]


def test_a_range_is_taken_where_one_is_said():
    assert _latest(range(10), "2:9:3") == [2, 5, 8]
    assert _latest(range(10), "-2:") == [8, 9]
    assert _latest(range(10), "20:") == []
