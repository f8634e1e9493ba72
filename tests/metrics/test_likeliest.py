"""The likeliest classes: an oracle that sorts row by row, ties, and wrong counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from modelheir.metrics.likeliest import likeliest


@given(arrays(np.float64, (4, 5), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5])), st.integers(1, 5))
def test_rows_are_sorted_and_ties_keep_the_order_of_classes(probabilities, count):
    classes, found = likeliest(probabilities, count)
    for row, numbers, values in zip(probabilities, classes, found, strict=True):
        expected = sorted(range(5), key=lambda number, row=row: (-row[number], number))[:count]
        assert numbers.tolist() == expected
        assert values.tolist() == [row[number] for number in expected]


def test_no_image_has_no_rows():
    classes, found = likeliest(np.zeros((0, 3)), 2)
    assert (classes.shape, found.shape) == ((0, 2), (0, 2))


@pytest.mark.parametrize("count", [0, -1, 4])
def test_more_than_all_is_refused(count):
    with pytest.raises(ValueError, match=rf"count = {count}: must be from 1 to 3"):
        likeliest(np.zeros((2, 3)), count)
