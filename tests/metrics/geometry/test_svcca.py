import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.metrics.geometry.svcca import Directions, directions, mean_correlations, svcca


def published(x, y, level, epsilon=1e-10):
    """The steps of the published code in plain NumPy: covariances of reduced activations, inverted with epsilon."""
    reduced = []
    for one in (x, y):
        rows = one.reshape(len(one), -1).T
        rows = rows - rows.mean(axis=1, keepdims=True)
        _, s, vt = np.linalg.svd(rows, full_matrices=False)
        k = next(k for k in range(1, len(s) + 1) if s[:k].sum() / s.sum() > level)
        reduced.append(np.diag(s[:k]) @ vt[:k])
    a, b = reduced
    joint = np.cov(a, b)
    aa, ab, bb = joint[: len(a), : len(a)], joint[: len(a), len(a) :], joint[len(a) :, len(a) :]
    top_a, top_b = np.abs(aa).max(), np.abs(bb).max()
    aa, bb, ab = aa / top_a, bb / top_b, ab / np.sqrt(top_a * top_b)
    keep_a, keep_b = np.abs(np.diagonal(aa)) >= epsilon, np.abs(np.diagonal(bb)) >= epsilon
    aa, bb, ab = aa[keep_a][:, keep_a], bb[keep_b][:, keep_b], ab[keep_a][:, keep_b]

    def root_of_inverse(matrix):
        w, v = np.linalg.eigh(np.linalg.pinv(matrix + epsilon * np.eye(len(matrix))))
        return v @ np.diag(np.sqrt(w)) @ v.T

    return np.linalg.svd(root_of_inverse(aa) @ ab @ root_of_inverse(bb))[1]


def layer(rng, n=40, shape=(3, 2, 2), decay=0.7):
    d = int(np.prod(shape))
    return (rng.normal(size=(n, d)) * decay ** np.arange(d) @ rng.normal(size=(d, d))).reshape(n, *shape) + 1


@pytest.mark.parametrize("level", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("shapes", [((3, 2, 2), (5,)), ((6, 4, 4), (7,)), ((6, 4, 4), (3, 6, 6))])
def test_against_the_published_steps(rng, level, shapes):
    """Fewer and more neurons than inputs: both ways of decomposing."""
    x, y = (layer(rng, shape=shape) for shape in shapes)
    y = y + x.reshape(40, -1)[:, :1].reshape(40, *[1] * (y.ndim - 1))  # something in common
    found = svcca(directions(x), directions(y), level=level)
    expected = published(x, y, level)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_directions_weaker_than_epsilon_do_not_count(rng):
    x = rng.normal(size=(30, 4)) * [1, 1, 1e-3, 1e-6]
    y = rng.normal(size=(30, 4)) @ rng.normal(size=(4, 4))
    for epsilon in (1e-10, 1e-4):
        found = svcca(directions(x), directions(y), level=1 - 1e-9, epsilon=epsilon)
        expected = published(x, y, 1 - 1e-9, epsilon)
        assert len(found) == len(expected)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(svcca(directions(x), directions(y), level=1 - 1e-9, epsilon=1e-4)) == 2


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([0.3, 0.5, 0.9]), st.floats(0.01, 100))
def test_turning_and_scaling_neurons_changes_nothing(seed, level, scale):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(25, 6)), rng.normal(size=(25, 9))
    plain = svcca(directions(x), directions(y), level=level)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    order = rng.permutation(25)
    moved = svcca(directions((scale * x @ turn + 3)[order]), directions(y[order]), level=level)
    np.testing.assert_allclose(moved, plain, atol=1e-6)
    assert ((plain >= 0) & (plain <= 1 + 1e-9)).all()
    assert (np.diff(plain) <= 1e-12).all()


def test_a_layer_is_wholly_like_itself_and_unlike_noise(rng):
    x = directions(rng.normal(size=(4000, 5)))
    assert svcca(x, x, level=0.9) == pytest.approx(np.ones(5), abs=1e-6)
    assert svcca(x, directions(rng.normal(size=(4000, 6))), level=0.9).max() < 0.1


def test_singular_values_are_summed_and_not_their_squares():
    wide = np.diag([10.0, 4.0, 3.0, 3.0])[:, :3]
    x = Directions(np.array([10.0, 4.0, 3.0, 3.0]), np.eye(4))
    assert len(svcca(x, x, level=0.5)) == 2  # 10 of 20 do not exceed a half; of the squares 100 of 134 would
    assert len(svcca(x, x, level=0.49)) == 1
    assert directions(wide).vectors.shape[0] == 4


def test_the_mean_over_layers_is_last(rng):
    inputs = rng.normal(size=(50, 4))
    oracle = {"a": directions(inputs), "b": directions(inputs @ rng.normal(size=(4, 3)))}
    model = {"a": oracle["a"], "b": directions(rng.normal(size=(50, 3)))}
    found = mean_correlations(model, oracle)
    assert list(found) == ["a", "b", "entire model"]
    assert found["a"] == pytest.approx((1, 1), abs=1e-6)
    assert found["b"][1] == pytest.approx(svcca(model["b"], oracle["b"], level=0.9).mean())
    assert found["entire model"] == pytest.approx(np.mean([found["a"], found["b"]], axis=0))
    with pytest.raises(ValueError, match="layers must be the same"):
        mean_correlations(model, {"a": oracle["a"]})


def test_a_constant_layer_is_like_nothing(rng):
    still = directions(np.ones((6, 3)))
    assert still.strengths.shape == (0,)
    assert svcca(still, directions(rng.normal(size=(6, 3))), level=0.5).tolist() == []
    assert np.isnan(mean_correlations({"a": still}, {"a": still})["entire model"]).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: directions(x[:1]), "inputs must be >= 2"),
        (lambda x: directions(x * np.nan), "finite"),
        (lambda x: svcca(directions(x), directions(x[1:]), level=0.5), "lengths must be equal"),
        (lambda x: svcca(directions(x), directions(x), level=1.0), "level must be below 1"),
        (lambda x: svcca(directions(x), directions(x), level=0.5, epsilon=-1.0), "epsilon"),
    ],
)
def test_what_cannot_be_compared_is_refused(rng, call, words):
    with pytest.raises(ValueError, match=words):
        call(rng.normal(size=(5, 3)))
