"""Coordinates against scikit-learn's PCA, distances by Pythagoras, and what a page is told."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from modelheir.subspace import Layout, StackedRows, coordinates, grid_around, pca, stand, told


def walk(rows=9, width=40, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=(rows, width)), axis=0) + 3.0


@pytest.mark.parametrize("size", [None, 7])
def test_they_are_those_of_another_pca(size):
    rows = walk()
    found = coordinates(pca(StackedRows(rows), 5), StackedRows(rows), count=3, size=size)
    expected = PCA(5).fit_transform(rows)[:, :3]
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-8)
    signs = np.sign(found[0] * expected[0])
    np.testing.assert_allclose(found, expected * signs, atol=1e-8)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 200))
def test_what_is_left_is_the_distance_from_the_plane(seed):
    rows = walk(seed=seed)
    basis = pca(StackedRows(rows), 4)
    row = np.random.default_rng(seed + 1).normal(size=40)
    place, away = stand(basis, row)
    assert away**2 + place @ place == pytest.approx(((row - rows.mean(0)) ** 2).sum())
    own, none = stand(basis, basis.mean + basis.expand(np.array([2.0, -1.0, 0.0, 0.0])))
    np.testing.assert_allclose(own, [2.0, -1.0], atol=1e-9)
    assert none == pytest.approx(0.0, abs=1e-9)


def test_a_training_along_one_line_has_no_second_coordinate():
    rows = np.outer(np.arange(4.0), np.ones(5))
    basis = pca(StackedRows(rows), 1)
    found = coordinates(basis, StackedRows(rows))
    assert np.abs(np.diff(found[:, 0])) == pytest.approx(5**0.5)
    assert not found[:, 1].any()
    assert told(basis, StackedRows(rows), [0, 1, 2, 3])["variance"] == [pytest.approx(1.0)]


def test_other_weights_are_refused():
    rows = walk()
    other = StackedRows(rows, Layout(("a", "b"), ((10,), (30,))))
    with pytest.raises(ValueError, match="of other weights than the basis"):
        coordinates(pca(StackedRows(rows), 2), other)


def test_what_a_page_is_told_is_json():
    rows = walk()
    basis = pca(StackedRows(rows), 3)
    ways = {"mean": [rows.mean(0)], "sgd": [rows[0], rows[-1]]}
    found = told(basis, StackedRows(rows), range(0, 90, 10), ways)
    assert json.loads(json.dumps(found)) == found
    assert [step for *_, step in found["path"]] == list(range(0, 90, 10))
    np.testing.assert_allclose(found["ways"]["mean"]["points"], [[0.0, 0.0]], atol=1e-9)
    assert found["ways"]["mean"]["away"] == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(found["ways"]["sgd"]["points"][1], found["path"][-1][:2], atol=1e-9)
    assert len(found["variance"]) == 3


def test_a_grid_holds_the_points_with_room():
    x, y = grid_around(np.array([[0.0, 5.0], [10.0, 5.0], [4.0, 5.0]]), count=5)
    assert (x[0], x[-1]) == (-2.0, 12.0)
    assert (y[0], y[-1]) == (4.0, 6.0)
    assert (np.diff(x) > 0).all()
