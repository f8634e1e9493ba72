"""Sums of rows that are made orthonormal on the way."""

import dataclasses

import numpy as np
import pytest

from modelheir.subspace import StackedRows, combine


def test_nearly_orthonormal_sums_are_corrected_once_and_the_span_stays(angle):
    rng = np.random.default_rng(0)
    values = np.linalg.qr(rng.standard_normal((30, 4)))[0].T
    rows = StackedRows(np.concatenate([np.zeros((1, 30)), values]))  # R is W, as the first row is zero
    inner = np.concatenate([np.zeros((3, 1)), np.eye(3, 4) + 1e-3 * rng.standard_normal((3, 4))], axis=1)
    about = combine.outline(rows, 3, "pca")
    found = combine.combine(rows, inner, about, folder=None, size=7)
    assert np.abs(found.components @ found.components.T - np.eye(3)).max() < 1e-12
    assert angle(found.components, inner[:, 1:] @ values) < 1e-9
    assert found.components[0] == pytest.approx((inner[0, 1:] @ values) / np.linalg.norm(inner[0, 1:] @ values))


def test_sums_that_are_orthonormal_take_one_pass():
    asked = []

    class Counting(StackedRows):
        def block(self, start, stop):
            asked.append((start, stop))
            return super().block(start, stop)

    rows = Counting(np.concatenate([np.full((1, 5), 2.0), 2.0 + np.eye(3, 5)]))
    found = combine.combine(rows, np.eye(2, 4, 1), combine.outline(rows, 2, "pca"), folder=None, size=4)
    assert asked == [(0, 4), (4, 5)]
    assert found.components.tolist() == np.eye(2, 5).tolist()
    assert found.mixture.tolist() == [[-1, 1, 0, 0], [-1, 0, 1, 0]]
    assert found.mean.tolist() == [2.25, 2.25, 2.25, 2, 2]


def test_an_outline_takes_no_memory():
    class Wide(StackedRows):
        def __init__(self):
            super().__init__(np.zeros((2, 3)))
            self.layout = dataclasses.replace(self.layout, shapes=((10**12,),))

    about = combine.outline(Wide(), 1000, "pca")
    assert (about.components.shape, about.mean.shape) == ((1000, 10**12), (10**12,))
    assert combine.outline(Wide(), 1, "random", mean=False).mean is None
