"""Streamed products, against those of NumPy in one piece."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.shard import Shard
from modelheir.subspace import Gram, StackedRows, Trajectory


def centre(values):
    return values - values.mean(axis=0)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 30), st.integers(1, 40), st.integers(0, 9))
def test_products_are_numpys_for_any_block_size(count, width, size, seed):
    values = np.random.default_rng(seed).standard_normal((count, width)) + 3
    found = Gram.of(StackedRows(values), size=size)
    assert np.allclose(found.raw, values @ values.T, rtol=1e-13, atol=1e-12)
    assert np.allclose(found.centred, centre(values) @ centre(values).T, rtol=0, atol=1e-12)
    assert np.allclose(found.centred.sum(axis=0), 0, atol=1e-12)
    assert found.length == pytest.approx(np.linalg.norm(values, axis=1).max())
    assert len(found) == count


def test_weights_that_lie_close_together_keep_their_digits():
    """Centring products of float32 would leave nothing of differences a millionth as long as the weights."""
    rng = np.random.default_rng(0)
    values = (rng.standard_normal(5000) + 1e-5 * rng.standard_normal((7, 5000))).astype(np.float32)
    exact = centre(values.astype(np.float64))
    exact = exact @ exact.T
    found = Gram.of(StackedRows(values)).centred
    assert np.abs(found - exact).max() < 1e-12 * np.abs(exact).max()
    single = values @ values.T
    joint = np.eye(7) - 1 / 7
    assert np.abs(joint @ single @ joint - exact).max() > np.abs(exact).max()


def test_shards_of_columns_add_up_to_the_whole():
    values = np.random.default_rng(1).standard_normal((5, 23))
    rows = StackedRows(values)
    whole = Gram.of(rows)
    for count in (1, 2, 8, 30):
        parts = [Gram.of(rows, shard=Shard(number, count), size=3).products for number in range(1, count + 1)]
        assert np.allclose(sum(parts), whole.products, rtol=0, atol=1e-13)
    seen = []

    def add(part):
        seen.append(part)
        return whole.products

    assert Gram.of(rows, shard=Shard(2, 3), add=add).products is whole.products
    assert np.allclose(seen[0], Gram.of(rows, shard=Shard(2, 3)).products)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(0, 4), st.integers(1, 20))
def test_rows_that_come_later_give_the_same_products(old, new, size):
    values = np.random.default_rng(2).standard_normal((old + new, 17))
    first = Gram.of(StackedRows(values[:old]))
    grown = first.grown(StackedRows(values), size=size)
    assert np.allclose(grown.products, Gram.of(StackedRows(values)).products, rtol=0, atol=1e-13)
    halves = [first.grown(StackedRows(values), shard=Shard(number, 2)).products[old:] for number in (1, 2)]
    shared = first.grown(StackedRows(values), shard=Shard(1, 2), add=lambda part: sum(halves))
    assert np.allclose(shared.products, grown.products, rtol=0, atol=1e-13)


def test_a_row_less_is_no_growth():
    values = np.ones((3, 2))
    with pytest.raises(ValueError, match="rows"):
        Gram.of(StackedRows(values)).grown(StackedRows(values[:2]))


def test_growth_reads_rows_of_files(write):
    rows = np.random.default_rng(3).standard_normal((6, 53)).astype(np.float32)
    files = write(rows)
    grown = Gram.of(Trajectory(files[:4])).grown(Trajectory(files))
    assert np.allclose(grown.raw, rows.astype(np.float64) @ rows.astype(np.float64).T, rtol=1e-12)
