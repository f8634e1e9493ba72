import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from modelheir.metrics.statistics.correction import benjamini_hochberg, bonferroni_confidence, holm

ps = st.lists(st.floats(0, 1), min_size=1, max_size=12).map(np.array)


def plain_holm(p):
    found = [0.0] * len(p)
    worst = 0.0
    for rank, k in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        worst = max(worst, min(1.0, (len(p) - rank) * p[k]))
        found[k] = worst
    return found


@settings(deadline=None, max_examples=40)
@given(ps)
def test_against_a_loop_and_scipy(p):
    np.testing.assert_allclose(holm(p), plain_holm(p))
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p))
    assert (holm(p) >= benjamini_hochberg(p) - 1e-12).all()
    assert (benjamini_hochberg(p) >= p - 1e-12).all()


def test_edges_and_errors():
    assert holm(np.array([])).tolist() == []
    assert holm(np.array([0.2])).tolist() == [0.2]
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm(np.array([0.5, np.nan]))
    assert bonferroni_confidence(0.9, 1) == pytest.approx(0.9)


def test_families_of_one_and_none():
    assert holm([]).tolist() == benjamini_hochberg([]).tolist() == []
    assert holm([0.3]).tolist() == benjamini_hochberg([0.3]).tolist() == [0.3]
    assert bonferroni_confidence(0.95, 0) == bonferroni_confidence(0.95, 1) == 0.95
    assert bonferroni_confidence(0.9, 4) == pytest.approx(0.975)


def test_p_values_at_the_ends_are_taken():
    assert holm([0.0, 1.0]).tolist() == [0.0, 1.0]
    assert benjamini_hochberg([1.0, 0.0]).tolist() == [1.0, 0.0]
