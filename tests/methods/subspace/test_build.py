import pytest

from modelheir.methods.subspace.build import taken


@pytest.mark.parametrize(("count", "left"), [(0, 0), (1, 1), (2, 2), (3, 2), (10, 6), (41, 25)])
def test_thetaken_three_fifths_are_taken_where_nothing_is_said(count, left):
    assert taken(range(count), "") == list(range(count))[count - left :]


def test_a_range_is_taken_where_one_is_said():
    assert taken(range(10), "2:9:3") == [2, 5, 8]
    assert taken(range(10), "-2:") == [8, 9]
    assert taken(range(10), "20:") == []
