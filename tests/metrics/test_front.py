import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.metrics.front import hypervolume, pareto_front

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12).map(
    lambda rows: np.array(rows, float)
)


@settings(deadline=None, max_examples=40)
@given(points)
def test_front_by_definition_and_area_by_counting_squares(costs):
    expected = [not any((other <= one).all() and (other < one).any() for other in costs) for one in costs]
    assert pareto_front(costs).tolist() == expected
    squares = sum(any((one <= (x, y)).all() for one in costs) for x in range(6) for y in range(6))
    assert hypervolume(costs, (6, 6)) == squares


def test_edges_and_errors():
    assert hypervolume(np.array([[2.0, 2.0]]), (1, 1)) == 0
    assert pareto_front(np.zeros((0, 2))).tolist() == []
    assert pareto_front(np.array([[1.0, 1.0], [1.0, 1.0]])).tolist() == [True, True]
    with pytest.raises(ValueError, match="finite"):
        pareto_front(np.array([[np.nan, 1]]))
    with pytest.raises(ValueError, match="two finite numbers"):
        hypervolume(np.array([[1.0, 1.0]]), (1,))


def test_a_point_on_the_reference_adds_nothing():
    assert hypervolume(np.array([[1.0, 5.0], [5.0, 1.0]]), (5, 5)) == 0
    assert hypervolume(np.array([[1.0, 4.5], [4.0, 1.0]]), (5, 5)) == 4 * 0.5 + 1 * 3.5
    assert hypervolume(np.zeros((0, 2)), (1, 1)) == 0


def test_equal_points_are_all_on_the_front_and_count_once():
    twice = np.array([[1.0, 2.0], [3.0, 1.0], [1.0, 2.0], [3.0, 2.0], [1.0, 3.0]])
    assert pareto_front(twice).tolist() == [True, True, True, False, False]
    assert hypervolume(twice, (4, 4)) == 3 * 2 + 1 * 1
