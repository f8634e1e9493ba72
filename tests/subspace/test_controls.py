"""Bases that know nothing of a training."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, stats

from modelheir.subspace import Layout, dct_basis, random_basis


def layout(width):
    return Layout(("w",), ((width,),))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 50), st.integers(0, 9))
@pytest.mark.parametrize("make", [random_basis, dct_basis])
def test_directions_are_orthonormal_and_depend_on_the_seed_alone(make, count, size, seed):
    found = make(layout(40), count, seed=seed, size=size)
    assert np.abs(found.components @ found.components.T - np.eye(count)).max() < 1e-6
    assert np.array_equal(make(layout(40), count, seed=seed).components.round(6), found.components.round(6))
    assert found.components.dtype == np.float32
    assert (found.mean, found.mixture.size, found.explained.size) == (None, 0, 0)


@pytest.mark.parametrize("make", [random_basis, dct_basis])
def test_another_seed_is_another_plane_and_a_file_is_the_same(make, tmp_path, angle):
    one, two = make(layout(500), 3, seed=0), make(layout(500), 3, seed=1)
    assert angle(one.components, two.components) > 0.5
    assert one.fingerprint != two.fingerprint
    assert np.array_equal(make(layout(500), 3, seed=0, folder=tmp_path).components, one.components)


def test_waves_are_rows_of_the_cosine_transform():
    found = dct_basis(layout(30), 7, seed=0).components
    every = fft.dct(np.eye(30), norm="ortho", axis=0)
    match = np.abs(found @ every.T).argmax(axis=1)
    assert found == pytest.approx(every[match], abs=1e-6)
    assert (np.diff(match) > 0).all()
    assert match[0] > 0
    assert np.abs(dct_basis(layout(30), 29, seed=0).components - every[1:]).max() < 1e-6


def test_waves_of_many_weights_keep_their_phase():
    width = 3_000_000
    found = dct_basis(layout(width), 1, seed=0).components[0]
    assert np.linalg.norm(found.astype(np.float64)) == pytest.approx(1, abs=1e-6)
    crossings = np.count_nonzero(np.diff(np.signbit(found)))
    frequency = np.random.default_rng(0).choice(width - 1, 1, replace=False, shuffle=False)[0] + 1
    assert abs(crossings - frequency) <= 2


def test_a_random_plane_is_normal_and_holds_a_given_direction_by_its_share():
    found = random_basis(layout(70_000), 20, seed=3)  # over tiles
    assert stats.kstest(found.components[3] * 70_000**0.5, "norm").pvalue > 1e-3
    gradient = np.random.default_rng(0).standard_normal(70_000)
    share = (found.project(gradient) ** 2).sum() / (gradient**2).sum()
    assert share == pytest.approx(20 / 70_000, rel=0.9)


def test_all_directions_of_a_small_space_and_one_too_many():
    every = random_basis(layout(5), 5, seed=0).components
    assert np.abs(every.T @ every - np.eye(5)).max() < 1e-5
    with pytest.raises(ValueError, match="components must be from 1 to 5"):
        random_basis(layout(5), 6, seed=0)
    with pytest.raises(ValueError, match="components must be from 1 to 4"):
        dct_basis(layout(5), 5, seed=0)
    with pytest.raises(ValueError, match="components"):
        dct_basis(layout(5), 0, seed=0)
