"""What snapshots span, against QR by NumPy and loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.subspace import Layout, StackedRows, Trajectory, deviations, gram_schmidt, spans


@settings(deadline=None)
@given(st.integers(1, 7), st.integers(1, 40), st.integers(0, 20))
def test_it_is_qr_with_a_positive_diagonal(count, size, seed):
    values = np.random.default_rng(seed).standard_normal((count, 20)) + 2
    found = gram_schmidt(StackedRows(values), size=size)
    q, r = np.linalg.qr(values.T)
    signs = np.sign(np.diag(r))
    assert found.components == pytest.approx(signs[:, None] * q.T, abs=1e-9)
    assert found.mixture == pytest.approx(np.linalg.inv(r.T * signs), rel=1e-6, abs=1e-9)
    assert np.abs(np.triu(found.mixture, 1)).max(initial=0) < 1e-9


def test_span_holds_every_snapshot_the_mean_and_zero_and_coefficients_come_back(write):
    """DR-38, V-8: ``alpha = C^T z`` rebuilds the weights; the start at the mean is SWA."""
    rng = np.random.default_rng(0)
    values = (0.3 * rng.standard_normal(53) + 0.01 * rng.standard_normal((8, 53)).cumsum(0)).astype(np.float32)
    rows = Trajectory(write(values))
    values = rows.block(0, 53).astype(np.float64)
    found = gram_schmidt(rows)
    assert len(found) == 8
    assert np.abs(found.components @ found.components.T - np.eye(8)).max() < 1e-6
    for weights in (*values, values.mean(axis=0)):
        z = found.project(weights)
        assert found.expand(z) == pytest.approx(weights, abs=1e-5)
        alpha = found.of_snapshots(z)
        assert alpha @ values == pytest.approx(weights, abs=1e-5)
    assert found.of_snapshots(found.project(values.mean(axis=0))) == pytest.approx(np.full(8, 1 / 8), abs=2e-3)
    assert found.mean == pytest.approx(values.mean(axis=0), abs=1e-6)


def test_it_stays_orthonormal_where_the_classical_steps_in_float32_do_not():
    """Q-20."""
    rng = np.random.default_rng(0)
    values = (rng.standard_normal(4000) + 1e-4 * rng.standard_normal((40, 4000)).cumsum(0)).astype(np.float32)
    classical = []
    for row in values:
        left = row.copy()
        for one in classical:
            left -= (one @ row) * one
        classical.append(left / np.linalg.norm(left))
    classical = np.stack(classical)
    found = gram_schmidt(StackedRows(values)).components
    assert np.abs(found @ found.T - np.eye(40)).max() < 1e-6
    assert np.abs(classical @ classical.T - np.eye(40)).max() > 1e-3


def test_snapshots_that_others_span_add_no_direction():
    values = np.random.default_rng(0).standard_normal((5, 30))
    values[1] = values[0]
    values[3] = 0.5 * values[0] - 2 * values[2]
    found = gram_schmidt(StackedRows(values.astype(np.float32)))
    assert found.components.shape == (3, 30)
    assert found.mixture.shape == (3, 5)
    left = values - values @ found.components.T @ found.components
    assert np.abs(left).max() < 1e-5
    assert len(gram_schmidt(StackedRows(np.concatenate([np.zeros((2, 30)), values])))) == 3
    with pytest.raises(InputError, match="all snapshots are zero"):
        gram_schmidt(StackedRows(np.zeros((3, 4))))


def test_the_basis_of_one_snapshot_is_its_direction():
    found = gram_schmidt(StackedRows(np.array([[3.0, 4.0]])))
    assert found.components == pytest.approx(np.array([[0.6, 0.8]]))
    assert found.mixture == pytest.approx(np.array([[0.2]]))


LAYOUT = Layout(("a", "b", "c"), ((2, 3), (1,), (5,)))


@pytest.mark.parametrize(("least", "groups"), [(0, (0, 1, 2)), (5, (0, 1, 1)), (6, (0, 0, 1)), (100, (0, 0, 0))])
@pytest.mark.parametrize("size", [1, 4, None])
def test_deviations_have_length_one_in_each_block(least, groups, size, tmp_path):
    """DR-41, against a loop over snapshots and blocks."""
    values = np.random.default_rng(0).standard_normal((4, 12)) + 5
    found = deviations(StackedRows(values, LAYOUT), least=least, size=size)
    assert found.blocks == groups
    assert found.kind == "deviations"
    wanted = values - values.mean(axis=0)
    for block in set(groups):
        own = np.concatenate(
            [np.arange(12)[LAYOUT.columns(n)] for n, g in zip("abc", groups, strict=True) if g == block]
        )
        for row in wanted:
            row[own] /= np.linalg.norm(row[own])
    assert found.components == pytest.approx(wanted, abs=1e-12)
    assert found.mean == pytest.approx(values.mean(axis=0))
    written = deviations(StackedRows(values, LAYOUT), least=least, size=size, folder=tmp_path)
    assert np.array_equal(written.components, found.components)
    assert np.array_equal(written.mean, found.mean)
    assert written.blocks == groups


def test_a_block_that_does_not_move_stays_zero():
    values = np.random.default_rng(0).standard_normal((3, 12)).astype(np.float32)
    values[:, 6] = 0.1
    found = deviations(StackedRows(values, LAYOUT))
    assert np.isfinite(found.components).all()
    assert found.rows()["b"].tolist() == [[0.0]] * 3
    with pytest.raises(InputError, match="one snapshot does not deviate"):
        deviations(StackedRows(values[:1], LAYOUT))
    with pytest.raises(ValueError, match="least"):
        spans.group_parameters(LAYOUT, -1)


def test_vectors_no_longer_than_the_floor_are_left_out():
    products = np.diag([1.0, 0.01, 4.0])
    assert spans.triangular(products, 0.05).tolist() == [[1, 0, 0], [0, 10, 0], [0, 0, 0.5]]
    assert spans.triangular(products, 0.2).tolist() == [[1, 0, 0], [0, 0, 0.5]]
    with pytest.raises(InputError, match="all snapshots are zero"):
        spans.triangular(products, 2.0)
