import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance_nd

from modelheir.metrics.geometry import wasserstein
from modelheir.metrics.geometry.wasserstein import Distance, wasserstein2


def brute(x, y):
    """The least work over all pairings of two small samples of one size."""
    import itertools

    cost = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    return min(cost[np.arange(len(x)), list(order)].mean() for order in itertools.permutations(range(len(y)))) ** 0.5


def on_a_line(x, y):
    """On a line the quantiles are matched: integrate the squared gap of both quantile functions, step by step."""
    edges = np.unique(np.r_[np.arange(len(x) + 1) / len(x), np.arange(len(y) + 1) / len(y)].round(12))
    middle = (edges[1:] + edges[:-1]) / 2
    a, b = np.sort(x)[(middle * len(x)).astype(int)], np.sort(y)[(middle * len(y)).astype(int)]
    return (np.diff(edges) @ (a - b) ** 2) ** 0.5


def test_against_every_pairing(rng):
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)) + 0.3
    assert wasserstein2(x, y).value == pytest.approx(brute(x, y), abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31))
def test_on_a_line_quantiles_are_matched(n, m, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=n), rng.exponential(size=m)
    found = wasserstein2(x[:, None], y[:, None])
    assert found.value == found.low == found.high == pytest.approx(on_a_line(x, y), abs=1e-9)


@pytest.mark.parametrize("way", ["assignment", "programme", "bounds"])
def test_all_ways_agree(rng, monkeypatch, way):
    x, y = rng.normal(size=(21, 4)), rng.normal(size=(34, 4)) + 0.5
    exact = wasserstein2(x, y)
    assert exact.low == exact.high
    monkeypatch.setattr(wasserstein, "_COPIES", 10**4 if way == "assignment" else 1)
    monkeypatch.setattr(wasserstein, "_PAIRS", 10**4 if way == "programme" else 1)
    found = wasserstein2(x, y, tolerance=0.02)
    assert found.low - 1e-9 <= exact.value <= found.high + 1e-9
    assert (found.low < found.high) == (way == "bounds")
    assert found.low >= 0.98 * found.high
    assert found.value == pytest.approx((found.low + found.high) / 2)


def test_a_move_by_c_is_as_long_as_c(rng):
    x, c = rng.normal(size=(40, 5)), rng.normal(size=5)
    assert wasserstein2(x, x + c).value == pytest.approx(np.linalg.norm(c))
    assert wasserstein2(x, rng.permutation(x)) == Distance(0.0, 0.0, 0.0)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_it_is_a_distance(n, m, seed):
    rng = np.random.default_rng(seed)
    x, y, z = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)), rng.normal(size=(5, 2))
    far = wasserstein2(x, y).value
    assert far == pytest.approx(wasserstein2(y, x).value, abs=1e-9)
    assert far <= wasserstein2(x, z).value + wasserstein2(z, y).value + 1e-9
    turn = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    assert wasserstein2(x @ turn, y @ turn).value == pytest.approx(far, abs=1e-9)
    assert far >= wasserstein_distance_nd(x, y) - 1e-6  # W1 is never more than W2


def test_many_points_of_odd_sizes_have_bounds_that_hold(rng):
    """Each point doubled and tripled is the same sample, so the exact distance is known for sizes that are bounded."""
    x, y = rng.normal(size=(101, 3)), rng.normal(size=(101, 3)) + 1
    exact = wasserstein2(x, y).value
    found = wasserstein2(np.tile(x, (2, 1)), np.tile(y, (3, 1)))
    assert found.value == pytest.approx(exact)
    wide = wasserstein2(rng.normal(size=(181, 3)), rng.normal(size=(191, 3)), tolerance=0.05)
    narrow = wasserstein2(rng.normal(size=(181, 3)), rng.normal(size=(191, 3)), tolerance=0.01)
    assert 0 < (narrow.high - narrow.low) / narrow.high <= 0.01 < (wide.high - wide.low) / wide.high <= 0.05


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((0, 2)), np.zeros((1, 2)), "points_of_x must be >= 1"),
        (np.zeros((1, 2)), np.zeros((1, 3)), "one width"),
        (np.zeros(3), np.zeros((1, 3)), "two dimensions"),
        (np.full((1, 2), np.nan), np.zeros((1, 2)), "finite"),
        (np.zeros((20000, 1)), np.zeros((20000, 1)), "draw fewer points"),
    ],
)
def test_what_cannot_be_measured_is_refused(x, y, words):
    with pytest.raises(ValueError, match=words):
        wasserstein2(x, y)
