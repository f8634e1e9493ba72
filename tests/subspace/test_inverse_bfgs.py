"""The update against SciPy and its own equations."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import BFGS

from modelheir.subspace import bent, damped_change, updated_inverse

NUMBERS = st.floats(-3, 3, allow_nan=False, width=32)


def pair(seed, count=5):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((count, count))
    step = rng.standard_normal(count)
    return root @ root.T + 0.1 * np.eye(count), step


def test_equals_scipy_over_some_pairs():
    theirs = BFGS(exception_strategy="skip_update", init_scale=1.0)
    theirs.initialize(5, "inv_hess")
    ours = np.eye(5)
    for seed in range(4):
        hessian, step = pair(seed)
        theirs.update(step, hessian @ step)
        ours = updated_inverse(ours, step, hessian @ step)
        np.testing.assert_allclose(ours, theirs.get_matrix(), rtol=1e-9, atol=1e-12)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7))
def test_secant_equation_symmetry_and_positive_definiteness(seed, count):
    hessian, step = pair(seed, count)
    inverse, _ = pair(seed + 1, count)
    change = hessian @ step
    found = updated_inverse(inverse, step, change)
    np.testing.assert_allclose(found @ change, step, rtol=1e-6, atol=1e-8 * np.linalg.norm(step))
    assert np.array_equal(found, found.T)
    assert np.linalg.eigvalsh(found)[0] > 0


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_turned_coordinates_turn_the_result(seed):
    hessian, step = pair(seed)
    inverse, _ = pair(seed + 1)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((5, 5)))[0]
    found = updated_inverse(inverse, step, hessian @ step)
    turned = updated_inverse(turn @ inverse @ turn.T, turn @ step, turn @ (hessian @ step))
    np.testing.assert_allclose(turned, turn @ found @ turn.T, rtol=1e-6, atol=1e-7 * np.abs(found).max())


def test_a_pair_without_curvature_is_refused():
    with pytest.raises(ValueError, match="curvature must be > 0, got -2"):
        updated_inverse(np.eye(2), np.array([1.0, 1.0]), np.array([-1.0, -1.0]))


@settings(deadline=None)
@given(hnp.arrays(float, 4, elements=NUMBERS), hnp.arrays(float, 4, elements=NUMBERS), st.floats(0.01, 100))
def test_the_cosine_knows_no_scale(step, change, scale):
    assert -1 - 1e-9 <= bent(step, change) <= 1 + 1e-9
    assert bent(scale * step, change) == pytest.approx(bent(step, change), abs=1e-9)
    assert bent(step, np.zeros(4)) == 0


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.9))
def test_a_damped_pair_shows_the_share_that_was_asked_for(seed, share):
    inverse, step = pair(seed)
    rng = np.random.default_rng(seed)
    expected = np.linalg.inv(inverse) @ step
    for change in (rng.standard_normal(5), -expected, 0.01 * expected):
        found = damped_change(inverse, step, change, share=share)
        assert step @ found >= share * (step @ expected) * (1 - 1e-6)
        if step @ change < share * (step @ expected):  # no more than is needed
            assert step @ found == pytest.approx(share * (step @ expected), rel=1e-6)
    enough = 2 * expected
    assert damped_change(inverse, step, enough, share=share) is enough
