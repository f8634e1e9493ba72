"""Quasi-Newton steps in a plane: quadratics, trials that leave nothing behind, and the published rules."""

import numpy as np
import pytest

SPECTRA = [(0.1, 1), (0.05, 5), (0.1, 20), (1, 1000)]


def spectrum(low, high, count, seed):
    found = np.exp(np.random.default_rng(seed).uniform(np.log(low), np.log(high), count))
    found[:2] = low, high
    return found


def steps_to_the_minimum(plane, values, *, seed, limit, **config):
    """Return the steps until the gap is 1e-10 of what it was, or the limit and one more."""
    model, _, update, gap = plane.quadratic(values, seed=seed, **config)
    step = plane.step(model)
    for number in range(limit):
        step.begin(0, number)
        update({}, step)
        if gap() < 1e-10:
            return number + 1
    return limit + 1


@pytest.mark.parametrize("more", [{}, {"interpolate": False}, {"pairs": "successive"}])
@pytest.mark.parametrize("ends", SPECTRA)
def test_quadratics_of_any_spectrum_are_solved_without_a_stall(plane, ends, more):
    """As in :mod:`tests.subspace.test_curvature`, with all that lies between coordinates and weights."""
    for count in (4, 8):
        limit = 4 * count + 10
        assert steps_to_the_minimum(plane, spectrum(*ends, count, 0), seed=0, limit=limit, **more) <= limit
