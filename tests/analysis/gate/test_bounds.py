import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.analysis.gate.bounds import WORDS, Bounds, images_needed, measure, measure_groups
from modelheir.checks import InputError


def test_every_bound_has_words_and_only_what_is_set_is_given():
    assert list(WORDS) == list(Bounds.__dataclass_fields__)
    assert Bounds(max_nfr=0.0, min_kept=None).given == {"max_nfr": 0.0}
    with pytest.raises(InputError, match="min_accuracy_gain = -2: must be from -1 to 1"):
        Bounds(min_accuracy_gain=-2)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0.1, 50_000)), min_size=1, max_size=6))
def test_the_images_needed_are_the_first_that_decide(groups):
    n, enough = (np.array(part, np.float64) for part in zip(*groups, strict=True))
    enough = np.maximum(enough, n + 1)  # not decided yet
    found = images_needed(lambda k: k * n >= enough - 1e-6, n)
    assert found == [int(np.ceil(e - 1e-6) - m) for e, m in zip(enough, n, strict=True)]


def test_what_is_never_decided_has_no_number():
    assert images_needed(lambda k: np.array([False, True]) | (k > 1e12), np.array([10, 10]))[0] is None


def test_an_interval_narrows_with_the_images():
    counts = np.array([780, 20, 100, 50, 50])
    for name in ("max_nfr", "min_kept", "min_accuracy_gain", "max_churn"):
        of = measure(name, counts, None)
        wide, narrow = of.ends(1.0, 0.95), of.ends(100.0, 0.95)
        assert wide[0] < narrow[0] < of.value < narrow[1] < wide[1]
        assert of.ends(1.0, 0.99)[1] > wide[1]
    assert measure("min_kept", counts, None).n == 800
    groups = measure_groups(np.array([counts, counts // 10]))
    assert groups.value.tolist() == [0.02, 0.02]
    assert groups.n.tolist() == [1000, 100]
