import numpy as np
import pytest
from scipy.stats import binomtest

from modelheir.analysis.gate.bounds import GateConfig, measure_groups, measure_share
from modelheir.analysis.gate.checking import check_bound


def ends(count, total, confidence=0.95):
    found = binomtest(count, total).proportion_ci(confidence, "exact")
    return found.low, found.high


@pytest.mark.parametrize("upper", [True, False])
def test_the_name_says_which_way_a_bound_goes(upper):
    name, of = ("max_nfr" if upper else "min_kept"), measure_share(30, 100)
    low, high = ends(30, 100)
    for bound, expected in ((low - 0.01, "hold"), (0.31, "not enough images"), (high + 0.01, "ship")):
        (check,) = check_bound(name, bound, GateConfig(), ["rate"], of)
        assert check.verdict == (
            expected if upper or expected[0] == "n" else {"hold": "ship", "ship": "hold"}[expected]
        )
        assert check.interval == pytest.approx((low, high))
        assert (check.needed is not None) == (expected[0] == "n")


def test_groups_have_a_bound_each_and_the_worst_of_many_is_corrected():
    counts = np.array([[80, 20, 0, 0, 0], [99, 1, 0, 0, 0]])
    strict = ends(20, 100, 1 - 0.05 / 2)[0]
    assert strict < ends(20, 100)[0]
    for first, expected in ((strict - 1e-6, "hold"), (strict + 1e-6, "not enough images")):
        found = check_bound("max_class_nfr", np.array([first, 0.5]), GateConfig(), ["a", "b"], measure_groups(counts))
        assert [check.verdict for check in found] == [expected, "ship"]
        assert [check.bound for check in found] == pytest.approx([first, 0.5])
