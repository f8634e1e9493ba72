import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from modelheir.metrics.statistics.mcnemar import mcnemar


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 300), st.integers(0, 300))
def test_against_the_binomial_test(lost, won):
    expected = binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert mcnemar(lost, won) == pytest.approx(expected, abs=1e-12)
    assert mcnemar(lost, won) == mcnemar(won, lost)


def test_arrays_and_large_counts():
    p = mcnemar(np.array([0, 10, 20_000]), np.array([0, 10, 21_000]))
    assert p[:2].tolist() == [1, 1]
    assert p[2] == pytest.approx(binomtest(20_000, 41_000).pvalue, rel=1e-9)


def test_error():
    with pytest.raises(ValueError, match=">= 0"):
        mcnemar(-1, 2)


def test_kinds_of_what_comes_back():
    assert type(mcnemar(3, 5)) is float
    assert mcnemar([3, 0], [5, 0]).shape == (2,)
    assert mcnemar(0, 1) == 1
    assert mcnemar(0, 8) == pytest.approx(2 * 0.5**8)


def test_a_million_flips_and_chances_too_small_for_a_float():
    assert mcnemar(499_000, 501_000) == pytest.approx(binomtest(499_000, 1_000_000).pvalue, rel=1e-8)
    assert mcnemar(0, 2_000) == 0
    assert mcnemar([[3, 5], [5, 3]], [[5, 3], [3, 5]]).tolist() == [[mcnemar(3, 5)] * 2] * 2
    assert mcnemar([], []).shape == (0,)
