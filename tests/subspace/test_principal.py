"""Principal directions, against SVD by NumPy and PCA by scikit-learn (V-1, V-2, V-3)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from modelheir.checks import InputError
from modelheir.subspace import Gram, StackedRows, Trajectory, pca, principal


def centre(values):
    values = np.asarray(values, np.float64)
    return values - values.mean(axis=0)


def test_it_is_scikit_learns_up_to_signs(spread):
    values = spread(np.geomspace(3, 0.2, 11), 12, 400)
    found = pca(StackedRows(values), 7)
    wanted = PCA(7, svd_solver="full").fit(values)
    assert np.abs(np.abs(found.components @ wanted.components_.T) - np.eye(7)).max() < 1e-9
    assert found.singular_values[:7] == pytest.approx(wanted.singular_values_, rel=1e-10)
    assert found.explained == pytest.approx(wanted.explained_variance_ratio_, rel=1e-10)
    assert found.mean == pytest.approx(wanted.mean_)
    assert (found.kind, len(found), found.components.dtype) == ("pca", 7, np.float64)
    single = pca(StackedRows(values.astype(np.float32)), 7)
    assert np.abs(np.abs(single.components @ wanted.components_.T) - np.eye(7)).max() < 1e-5
    assert single.components.dtype == single.mean.dtype == np.float32


def test_signs_make_the_largest_entry_of_the_left_vectors_positive(spread):
    values = spread(np.geomspace(3, 0.2, 6), 9, 50)
    left, _, right = np.linalg.svd(centre(values), full_matrices=False)
    largest = np.abs(left[:, :4]).argmax(axis=0)
    signs = np.sign(left[largest, range(4)])
    assert pca(StackedRows(values), 4).components == pytest.approx(signs[:, None] * right[:4], abs=1e-9)


def test_about_zero_it_is_the_svd_of_the_weights(spread, angle):
    values = spread(np.geomspace(3, 0.2, 6), 9, 50, offset=0.2)
    _, singular, right = np.linalg.svd(values, full_matrices=False)
    found = pca(StackedRows(values), 5, centred=False)
    assert np.abs(np.abs(found.components @ right[:5].T) - np.eye(5)).max() < 1e-9
    assert found.singular_values[:7] == pytest.approx(singular[:7], rel=1e-9)
    assert found.explained == pytest.approx(singular[:5] ** 2 / (singular**2).sum())
    assert angle(found.components, pca(StackedRows(values), 5).components) > 0.1


@settings(deadline=None, max_examples=30)
@given(st.integers(3, 9), st.integers(1, 60), st.integers(0, 99), st.sampled_from([np.float32, np.float64]))
def test_directions_are_orthonormal_for_any_block_size_and_place(count, size, seed, kind):
    """A shift of all rows, their order and the size of blocks change nothing but signs."""
    rng = np.random.default_rng(seed)
    values = (rng.standard_normal((count, 40)) * np.linspace(3, 1, count)[:, None]).astype(kind)
    order = rng.permutation(count)
    given_, moved = StackedRows(values), StackedRows((values + kind(2))[order])
    found = pca(given_, count - 1, size=size)
    assert np.abs(found.components @ found.components.T - np.eye(count - 1)).max() < 1e-6
    close = {np.float32: 1e-5, np.float64: 1e-9}[kind]
    others = [pca(given_, count - 1), pca(moved, count - 1, size=size)]
    for other in others:
        one, two = (part.components.astype(np.float64) for part in (found, other))
        assert np.abs(one.T @ one - two.T @ two).max() < close
    assert found.mixture @ values == pytest.approx(found.components, abs=1e-4)
    assert np.abs(found.mixture.sum(axis=1)).max() < 1e-9


def test_a_trajectory_of_rank_k_lies_in_k_directions(spread):
    values = spread([3.0, 2.0, 1.0], 8, 60).astype(np.float32)
    found = pca(StackedRows(values), 99, truncate=True)
    assert len(found) == 3
    off = centre(values)
    inside = off @ found.components.T.astype(np.float64) @ found.components
    assert np.abs(off - inside).max() < 1e-6
    with pytest.raises(InputError, match="the 8 snapshots move along 3 directions only"):
        pca(StackedRows(values), 4)


def test_the_rank_is_known_without_noise_too(spread, monkeypatch):
    """What products in float64 leave where nothing is, a 1e-8 of the largest, is no direction."""
    values = spread([3.0, 2.0, 1.0], 8, 60)
    rows = StackedRows(values)
    assert principal.spectrum(rows, Gram.of(rows)).rank == 3
    monkeypatch.setattr(principal, "_FLOAT64", 0.0)
    rows = StackedRows(spread(np.geomspace(3, 1, 7), 8, 60, offset=1e-9))
    gram = Gram.of(rows)
    gram.products += 1e-12 * np.eye(8)  # rounding, writ large
    assert principal.spectrum(rows, gram).rank == 7


def test_as_many_components_as_snapshots_are_one_too_many(spread):
    """Q-14: about their mean, N snapshots have N - 1 directions; one more would be noise."""
    values = spread(np.geomspace(3, 1, 4), 5, 30)
    with pytest.raises(InputError, match="components = 5: the 5 snapshots move along 4 directions only"):
        pca(StackedRows(values), 5)
    assert len(pca(StackedRows(values), 5, truncate=True)) == 4
    assert len(pca(StackedRows(values), 5, centred=False)) == 5


@pytest.mark.parametrize(
    ("components", "says"),
    [
        (30, "only 15 snapshots, which have 14 directions"),
        (0, "must be an int >= 1, or a share"),
        (-1, "must be an int"),
        (0.0, "must be an int"),
        (1.0, "must be an int"),
        (True, "must be an int"),
        (float("nan"), "must be an int"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(components, says):
    class Unread(StackedRows):
        def block(self, start, stop):
            raise AssertionError

    with pytest.raises(InputError, match=says):
        pca(Unread(np.zeros((15, 4))), components)
    with pytest.raises(InputError, match="only 1 snapshots"):
        pca(Unread(np.zeros((1, 4))), 0.5)


def test_a_share_of_the_variance_takes_the_least_count_that_holds_it(spread):
    values = spread([4.0, 2.0, 2.0, 1.0], 9, 30)  # shares 16, 4, 4, 1 of 25
    for share, count in ((0.1, 1), (0.63, 1), (0.65, 2), (0.79, 2), (0.81, 3), (0.95, 3), (0.97, 4), (0.999999, 4)):
        assert len(pca(StackedRows(values), share)) == count
    assert pca(StackedRows(values), 0.97).explained == pytest.approx([0.64, 0.16, 0.16, 0.04])


def test_snapshots_that_do_not_move_are_refused():
    with pytest.raises(InputError, match="the 4 snapshots are identical"):
        pca(StackedRows(np.tile(np.random.default_rng(0).standard_normal(9), (4, 1))), 2)
    jitter = (1 + np.random.default_rng(0).standard_normal((4, 900)) * 2.0**-24).astype(np.float32)
    with pytest.raises(InputError, match="identical, to rounding"):
        pca(StackedRows(jitter), 1)
    with pytest.raises(InputError, match="identical"):
        pca(StackedRows(np.zeros((3, 4))), 0.5)


def test_the_floor_is_the_rounding_of_what_is_stored(spread, write):
    """Motion of a thousandth of the weights' length is seen in float32, and is noise in bfloat16."""
    values = spread([1.0, 0.003], 10, 53, offset=1.0)
    exact, half = (Trajectory(write(values, dtype=kind, folder=str(kind))) for kind in (torch.float32, torch.bfloat16))
    assert len(pca(exact, 9, truncate=True)) == 2
    assert len(pca(half, 9, truncate=True)) == 1


@pytest.mark.parametrize(("ratio", "span", "orthonormal"), [(0.2, 2e-5, 1e-6), (1e-3, 3e-3, 1e-6)])
def test_the_span_is_as_close_as_rounding_of_snapshots_allows(ratio, span, orthonormal, spread, angle):
    """Section 3.2: about ``0.3 2^-24 |w| / sigma_n``, at N = 60, n = 32; sizes are smaller here."""
    values = np.geomspace(1.0, ratio, 32)
    exact = spread(values, 60, 20_000, offset=0.5)
    found = pca(StackedRows(exact.astype(np.float32)), 32)
    _, _, right = np.linalg.svd(centre(exact), full_matrices=False)
    error = angle(found.components, right[:32])
    expected = 0.3 * 2.0**-24 * np.linalg.norm(exact[0]) / ratio
    assert error < min(span, 3 * expected)
    inner = found.components.astype(np.float64)
    assert np.abs(inner @ inner.T - np.eye(32)).max() < orthonormal


def test_it_is_closer_than_scikit_learn_in_float32_on_a_random_walk(angle):
    rng = np.random.default_rng(0)
    values = (0.05 * rng.standard_normal(3000) + 1e-3 * rng.standard_normal((60, 3000)).cumsum(0)).astype(np.float32)
    _, _, right = np.linalg.svd(centre(values), full_matrices=False)
    ours = angle(pca(StackedRows(values), 32).components, right[:32])
    theirs = angle(PCA(32, svd_solver="full").fit(values).components_, right[:32])
    assert ours < 1e-6 < theirs


def test_small_directions_are_made_orthonormal_again(spread):
    """What float64 products lose of directions a millionth of the largest is put right by a second pass."""
    values = spread(np.geomspace(1.0, 2e-6, 8), 12, 500, offset=1e-3)
    rows = StackedRows(values)
    once = principal.spectrum(rows, Gram.of(rows)).inner(Gram.of(rows), 8) @ np.vstack(
        [values[:1], values[1:] - values[0]]
    )
    assert np.abs(once @ once.T - np.eye(8)).max() > 1e-6
    found = pca(rows, 8)
    assert np.abs(found.components @ found.components.T - np.eye(8)).max() < 1e-9
    assert found.mixture @ values == pytest.approx(found.components, abs=1e-6)


def test_a_basis_that_is_written_while_it_is_made_is_the_same(spread, write, tmp_path):
    files = write(spread(np.geomspace(3, 1, 5), 8, 53))
    rows = Trajectory(files)
    held, written = pca(rows, 4), pca(rows, 4, folder=tmp_path / "basis", size=5)
    assert isinstance(written.components, np.memmap)
    assert np.abs(written.components - held.components).max() < 1e-6
    assert np.abs(written.mean - held.mean).max() < 1e-6
    assert written.fingerprint == held.fingerprint == rows.fingerprint
    assert written.names == rows.names
    assert sorted(path.name for path in (tmp_path / "basis").iterdir()) == ["basis.json", "basis.safetensors"]


def test_products_that_are_known_are_not_taken_again(spread):
    values = spread(np.geomspace(3, 1, 5), 8, 53)
    rows = StackedRows(values)
    gram = Gram.of(StackedRows(values[:5])).grown(rows)
    assert np.abs(pca(rows, 4, gram=gram).components - pca(rows, 4).components).max() < 1e-9
    asked = []

    class Counting(StackedRows):
        def block(self, start, stop):
            asked.append(start)
            return super().block(start, stop)

    pca(Counting(values), 4, gram=gram)
    assert asked == [0]
