"""Quasi-Newton in coordinates: quadratics whose answer is known, in how many steps, and what noise may do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.subspace import Curvature, backtrack, condition

KEPT = {"damping": 0.2, "most": 1e8}

#: smallest and largest curvature of the table in which programs stall or diverge
SPECTRA = [(0.1, 1), (0.05, 5), (0.1, 20), (1, 1000)]


def problem(low, high, count, seed):
    rng = np.random.default_rng(seed)
    spectrum = np.exp(rng.uniform(np.log(low), np.log(high), count))
    spectrum[:2] = low, high
    turn = np.linalg.qr(rng.standard_normal((count, count)))[0]
    hessian = turn @ np.diag(spectrum) @ turn.T
    return hessian, rng.standard_normal(count)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("count", [4, 8, 32])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_exact_searches_end_after_as_many_steps_as_coordinates(spectrum, count, scaled):
    """Nocedal and Wright, theorem 6.4, whatever multiple of the identity it begins with."""
    for seed in range(5):
        hessian, right = problem(*spectrum, count, seed)
        z, known = np.zeros(count), Curvature.unknown(count)
        most = right @ np.linalg.solve(hessian, right) / 2
        for steps in range(count + 3):
            gradient = hessian @ z - right
            if steps:
                known = known.learnt(gradient, damping=0.0, most=1e15) if scaled else known.learnt_plainly(gradient)
            gap = (z @ hessian @ z / 2 - right @ z + most) / most
            if gap < 1e-10:
                break
            direction = -known.inverse @ gradient
            length = -(gradient @ direction) / (direction @ hessian @ direction)
            z = z + length * direction
            known = known._replace(step=length * direction, gradient=gradient, seen=True)
        assert steps <= count + 2


@pytest.mark.parametrize("interpolate", [True, False])
@pytest.mark.parametrize("count", [4, 8, 32])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_backtracking_never_stalls(spectrum, count, interpolate):
    """Armijo with sigma 0.4 and rho 0.55; the first step is no longer than 1, as the update has it."""
    for seed in range(5):
        hessian, right = problem(*spectrum, count, seed)

        def loss(z, hessian=hessian, right=right):
            return z @ hessian @ z / 2 - right @ z

        z, known, most = np.zeros(count), Curvature.unknown(count), right @ np.linalg.solve(hessian, right) / 2
        for steps in range(4 * count + 12):
            gradient, value = hessian @ z - right, loss(z)
            if (value + most) / most < 1e-10:
                break
            if steps:
                known = known.learnt(gradient, **KEPT)
            direction = -known.inverse @ gradient

            def above(length, bound, start=z, along=direction, loss=loss):
                return loss(start + length * along) - bound

            found = backtrack(
                above,
                value=value,
                slope=direction @ gradient,
                sigma=0.4,
                rho=0.55,
                trials=20,
                first=1.0 if steps else min(1.0, 1 / np.linalg.norm(direction)),
                interpolate=interpolate,
            )
            assert found.length > 0
            z = z + found.length * direction
            known = known._replace(step=found.length * direction, gradient=gradient, seen=True)
        assert steps <= 4 * count + 10


def after(step, change, **told):
    """Return what one pair tells, from the identity."""
    known = Curvature.unknown(len(step))._replace(step=np.asarray(step), gradient=np.zeros(len(step)), seen=True)
    return known.learnt(np.asarray(change), **{**KEPT, **told})


def test_the_first_pair_gives_the_scale():
    known = after([2.0, 0.0], [8.0, 4.0])
    assert known.curved
    assert known.scale == pytest.approx(10 * 4 / 16)  # s's / s'y
    assert after([2.0, 0.0], [8.0, 4.0], scale=1.0).scale == pytest.approx(4 / 16)
    np.testing.assert_allclose(known.inverse @ [8.0, 4.0], [2.0, 0.0], atol=1e-12)
    assert np.array_equal(known.forgotten().inverse, 2.5 * np.eye(2))
    assert not known.forgotten().curved


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_units_of_loss_and_weights_change_nothing(seed, loss, weights):
    """Pairs in other units: B in those units, whichever pairs count."""
    rng = np.random.default_rng(seed)
    pairs = rng.standard_normal((4, 2, 3))
    found = []
    for a, b in ((1.0, 1.0), (loss, weights)):
        known = Curvature.unknown(3)
        for step, change in pairs:
            known = known._replace(step=b * step, gradient=np.zeros(3)).learnt(a / b * change, damping=0.0, most=1e12)
        found.append(known if not known.curved else known._replace(inverse=known.inverse * a / b**2))
    np.testing.assert_allclose(
        found[0].inverse, found[1].inverse, rtol=1e-5, atol=1e-9 * np.abs(found[0].inverse).max()
    )


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.2]))
def test_noise_never_takes_positive_definiteness(seed, damping):
    """Q-6: pairs that are noise through and through."""
    rng = np.random.default_rng(seed)
    known = Curvature.unknown(6)
    for _ in range(30):
        size = 10 ** rng.uniform(-8, 3, 2)
        known = known._replace(step=size[0] * rng.standard_normal(6), gradient=np.zeros(6))
        known = known.learnt(size[1] * rng.standard_normal(6), damping=damping, most=1e8)
        assert np.linalg.eigvalsh(known.inverse)[0] > 0
        assert condition(known.inverse) <= 1e8


def test_a_tiny_curvature_that_is_noise_is_left_out():
    """The published guard of 1e-20 would take a pair at right angles, and B would blow up."""
    step, change = np.array([1.0, 0.0]), np.array([1e-12, 1.0])
    assert np.array_equal(after(step, change).inverse, np.eye(2))
    assert not after(step, change).curved
    known = Curvature.unknown(2)._replace(step=step, gradient=np.zeros(2), seen=True)
    assert condition(known.learnt_plainly(change).inverse) > 1e20
    still = known.learnt_plainly(np.array([1e-21, 1.0]))
    assert still is known


def test_a_damped_pair_bends_what_is_known_less():
    known = after([1.0, 0.0], [1.0, 0.0])._replace(step=np.array([0.0, 1.0]), gradient=np.zeros(2))
    negative = np.array([0.0, -1.0])
    assert known.learnt(negative, damping=0.0, most=1e8) is known
    found = known.learnt(negative, **KEPT)
    np.testing.assert_allclose(found.inverse, [[1, 0], [0, 50]], atol=1e-12)  # 1 over a fifth of what was expected


def test_all_is_forgotten_where_the_condition_is_too_large():
    known = after([1.0, 0.0], [4.0, 0.0])
    steep = known._replace(step=np.array([0.0, 1.0]), gradient=np.zeros(2))
    assert steep.learnt(np.array([0.0, 4e4]), **KEPT).curved
    lost = steep.learnt(np.array([0.0, 4e4]), damping=0.2, most=1e3)
    assert not lost.curved
    assert np.array_equal(lost.inverse, 2.5 * np.eye(2))


def test_condition():
    assert condition(np.zeros((0, 0))) == 1
    assert condition(np.diag([1.0, -1.0])) == np.inf
