import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.config.over_time.rates import PUBLISHED, RateOverTime, rates


def test_the_published_pairs_against_numpy():
    t = np.arange(4)
    for schedule in PUBLISHED["linear"]:
        np.testing.assert_allclose(rates(schedule, 4), schedule.start - schedule.change * t)
    for schedule in PUBLISHED["exponential"]:
        np.testing.assert_allclose(rates(schedule, 4), schedule.start * np.power(schedule.change, t))
    assert [rates(schedule, 3) for schedule in PUBLISHED["none"]] == [(1e-3,) * 3, (1e-4,) * 3]
    pairs = {kind: [(one.start, one.change) for one in some] for kind, some in PUBLISHED.items()}
    assert pairs["linear"] == [(1e-3, 1e-4), (1e-4, 1e-5)]
    assert pairs["exponential"] == [(2e-3, 0.5), (2e-4, 0.5), (2e-4, 0.75)]


@settings(deadline=None)
@given(st.sampled_from([*PUBLISHED["linear"], *PUBLISHED["exponential"]]), st.integers(1, 10))
def test_rates_are_positive_and_fall(schedule, steps):
    found = rates(schedule, steps)
    assert found[0] == schedule.start
    assert len(found) == steps
    assert min(found) > 0
    assert list(found) == sorted(set(found), reverse=True)


@pytest.mark.parametrize("schedule", PUBLISHED["linear"])
def test_a_linear_rate_is_refused_where_it_is_gone(schedule):
    assert len(rates(schedule, 10)) == 10
    with pytest.raises(InputError, match=r"leaves no rate at step 10 of 0 to 10: take less than"):
        rates(schedule, 11)
    with pytest.raises(InputError, match=r"at step 1 of 0 to 2"):
        rates(RateOverTime("linear", 1e-3, 1e-3), 3)


def test_one_step_needs_no_change():
    assert rates(RateOverTime("linear", 0.1, 5.0), 1) == (0.1,)


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (RateOverTime("lineal", 0.1), "unknown learning_rate_decay 'lineal'. Did you mean 'linear'"),
        (RateOverTime("none", 0.0), "step 0 must be > 0"),
        (RateOverTime("none", float("nan")), "step 0 must be > 0"),
        (RateOverTime("none", 0.1, 0.5), "changes nothing"),
        (RateOverTime("exponential", 0.1), "factor"),
        (RateOverTime("linear", 0.1, -0.1), "takes off a step must be >= 0"),
    ],
)
def test_says_what_is_wrong(schedule, sentence):
    with pytest.raises(InputError) as caught:
        rates(schedule, 2)
    assert sentence in str(caught.value)
