"""Lengths along parabolas, whose accepted ones can be said in advance."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.subspace import backtrack


def search(curvature, *, sigma=0.4, rho=0.55, trials=20, **more):
    """Search on ``f(t) = 5 - t + curvature t^2 / 2``."""
    return backtrack(
        lambda t, bound: 5 - t + curvature * t * t / 2 - bound,
        value=5.0,
        slope=-1.0,
        sigma=sigma,
        rho=rho,
        trials=trials,
        **more,
    )


@settings(deadline=None)
@given(st.floats(0.01, 1e4), st.floats(0.01, 0.49), st.floats(0.2, 0.9))
def test_takes_the_first_length_below_the_limit(curvature, sigma, rho):
    """On a parabola Armijo's rule is ``t < 2 (1 - sigma) / curvature``."""
    limit = 2 * (1 - sigma) / curvature
    powers = [rho**k for k in range(200)]
    if min(abs(t / limit - 1) for t in powers) < 1e-6:
        return
    expected = next(t for t in powers if t < limit)
    found = search(curvature, sigma=sigma, rho=rho, trials=200)
    assert found.length == pytest.approx(expected)
    assert found.length == found.tried[-1]
    assert len(found.tried) == powers.index(expected) + 1


@pytest.mark.parametrize(("curvature", "length"), [(1.19, 1.0), (1.21, 0.55), (2.17, 0.55), (2.19, 0.3025)])
def test_the_stall_condition_of_two_and_three_trials(curvature, length):
    """With sigma 0.4, a length t passes where t times the curvature is below 1.2."""
    assert search(curvature, trials=3).length == pytest.approx(length)
    assert search(curvature, trials=2).length == (pytest.approx(length) if length > 0.5 else 0)


def test_nothing_passes():
    found = search(3.0, trials=2)
    assert found == (0.0, (1.0, 0.55))
    with pytest.raises(ValueError, match="trials must be >= 1"):
        search(1.0, trials=0)
    with pytest.raises(ValueError, match="first must be > 0"):
        search(1.0, first=0.0)


def test_the_rule_is_strict():
    assert backtrack(lambda t, bound: 0.0, value=1.0, slope=-1.0, sigma=0.4, rho=0.5, trials=1).length == 0


@settings(deadline=None)
@given(st.floats(0.01, 1e4))
def test_a_parabola_needs_no_third_trial_unless_it_is_very_steep(curvature):
    found = search(curvature, interpolate=True)
    assert 0 < found.length <= 1
    if len(found.tried) == 2:
        assert found.length == pytest.approx(min(1 / curvature, 0.55)) or found.length == pytest.approx(0.1)
    assert len(found.tried) <= 2 + max(0, math.ceil(math.log10(curvature)))
    assert len(found.tried) <= len(search(curvature, trials=40).tried)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_refused_and_the_next_is_a_tenth(bad):
    def above(t, bound):
        return bad if t > 0.05 else 1 - t - bound

    found = backtrack(above, value=1.0, slope=-1.0, sigma=0.4, rho=0.5, trials=9, interpolate=True)
    assert found.tried == pytest.approx((1.0, 0.1, 0.01))
    found = backtrack(above, value=1.0, slope=-1.0, sigma=0.4, rho=0.1, trials=9, first=0.3)
    assert found.tried == pytest.approx((0.3, 0.03))
