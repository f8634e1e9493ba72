"""Directions that are never written give the products of those that are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.subspace import Gram, StackedRows, Trajectory, matrix_free, pca


@settings(deadline=None)
@given(st.integers(1, 60), st.booleans(), st.sampled_from([3, 0.5]))
def test_products_are_those_of_the_written_basis(size, centred, components):
    rng = np.random.default_rng(0)
    rows = StackedRows(rng.standard_normal((6, 50)) + 1)
    held = pca(rows, components, centred=centred)
    found = matrix_free(rows, components, centred=centred, size=size)
    gradient, step = rng.standard_normal(50), rng.standard_normal(len(held))
    assert len(found) == len(held)
    assert (found.layout, found.width) == (held.layout, 50)
    assert found.project(gradient) == pytest.approx(held.project(gradient), abs=1e-10)
    assert found.expand(step) == pytest.approx(held.expand(step), abs=1e-10)
    assert found.explained == pytest.approx(held.explained)


def test_snapshots_of_files_and_the_basis_after_all(write, tmp_path):
    values = np.random.default_rng(0).standard_normal((7, 53)).astype(np.float32)
    rows = Trajectory(write(values))
    found = matrix_free(rows, 4, gram=Gram.of(rows))
    held = pca(rows, 4)
    assert found.expand(np.eye(4)[2]) == pytest.approx(held.components[2], abs=1e-6)
    assert found.expand(np.ones(4)).dtype == np.float32
    assert found.basis().components == pytest.approx(held.components, abs=1e-6)
    assert found.basis(tmp_path).fingerprint == rows.fingerprint


def test_small_directions_do_not_see_the_mean(spread):
    """Rounding leaves a little of the mean in small eigenvectors; divided by the singular value, it would be much."""
    values = spread(np.geomspace(1, 1e-5, 8), 12, 500, offset=1e-3)
    first = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)[2][0]
    found = matrix_free(StackedRows(values), 8).project(first)
    assert np.abs(found) == pytest.approx(np.eye(8)[0], abs=1e-9)


def test_errors_are_those_of_pca():
    rows = StackedRows(np.random.default_rng(0).standard_normal((4, 9)))
    with pytest.raises(InputError, match="only 4 snapshots"):
        matrix_free(rows, 5)
    with pytest.raises(InputError, match="move along 3 directions"):
        matrix_free(rows, 4)
    assert len(matrix_free(rows, 5, truncate=True)) == 3
