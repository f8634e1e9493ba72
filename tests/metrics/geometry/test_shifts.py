import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from modelheir.metrics.geometry.shifts import (
    Shift,
    conditional_shift,
    principal_coordinates,
    shift_sizes,
)


def w2(x, y):
    cost = ((x[:, None].astype(float) - y[None]) ** 2).sum(axis=2)
    return cost[linear_sum_assignment(cost)].mean() ** 0.5


def sequence(rng, steps=3, n=24, size=(3, 4, 4)):
    """Labels in turn, and images that move by a number a step."""
    labels = np.arange(n) % 3
    return [(rng.normal(size=(n, *size)) + 2.0 * t, labels) for t in range(steps)], (
        rng.normal(size=(n, *size)) + 4.0,
        labels,
    )


def test_conditional_shift_weighs_by_the_second_sample(rng):
    x, y = rng.normal(size=(12, 2)), np.repeat([0, 1], 6)
    x_b, y_b = rng.normal(size=(16, 2)), np.repeat([0, 1], [12, 4])
    expected = sum(
        share * w2(x[y == c].repeat(k, axis=0), x_b[y_b == c].repeat(j, axis=0))
        for c, share, k, j in ((0, 0.75, 2, 1), (1, 0.25, 2, 3))
    )
    assert conditional_shift(x, y, x_b, y_b) == pytest.approx(expected)


def test_one_class_makes_both_shifts_the_same(rng):
    train, test = sequence(rng)
    train, test = [(x, 0 * y) for x, y in train], (test[0], 0 * test[1])
    found = shift_sizes(train, test, generator=rng)
    for one in (*found.consecutive, *found.to_test, found.halves):
        assert one.covariate == pytest.approx(one.conditional)


def test_all_components_keep_every_distance(rng):
    train, test = sequence(rng)
    found = shift_sizes(train, test, generator=np.random.default_rng(4), share=1.0)
    flat = [x.reshape(len(x), -1) for x, _ in train]
    assert [s.covariate for s in found.consecutive] == pytest.approx([w2(flat[0], flat[1]), w2(flat[1], flat[2])])
    order = np.random.default_rng(4).permutation(24)
    assert found.halves.covariate == pytest.approx(w2(flat[0][order[:12]], flat[0][order[12:]]))


def test_ratios_are_over_the_halves_and_over_the_last_step(rng):
    train, test = sequence(rng)
    found = shift_sizes(train, test, generator=rng)
    for ratios, shifts, by in (
        (found.consecutive_ratios, found.consecutive, found.halves),
        (found.to_test_ratios, found.to_test[:2], found.to_test[2]),
    ):
        np.testing.assert_allclose(ratios, np.array(shifts) / by)
        assert len(ratios) == 2
    assert found.to_test_ratios[0].covariate > found.to_test_ratios[1].covariate > 1.5


def test_a_label_flip_is_conditional_only(rng):
    x = np.concatenate([rng.normal(size=(20, 1, 2, 2)) + 8 * c for c in (0, 1)])
    y = np.repeat([0, 1], 20)
    found = shift_sizes([(x, y), (x, 1 - y)], (x, 1 - y), generator=rng)
    assert found.consecutive[0].covariate == pytest.approx(0, abs=1e-6)
    assert found.consecutive_ratios[0].conditional > 5


def test_a_class_that_is_missing_leaves_the_conditional_shift_undefined(rng):
    x, y = rng.normal(size=(6, 2)), np.repeat([0, 1], 3)
    assert np.isnan(conditional_shift(x, y, x, np.zeros(6, int)))
    assert np.isnan(conditional_shift(x, np.zeros(6, int), x, y))
    found = shift_sizes([(x, y), (x, 0 * y)], (x, y), generator=rng)
    assert np.isnan(found.consecutive_ratios[0].conditional)
    assert isinstance(found.consecutive_ratios[0], Shift)


@pytest.mark.extras
@pytest.mark.parametrize("shape", [(50, 8), (10, 30)])
def test_components_are_those_of_scikit_learn(rng, shape):
    from sklearn.decomposition import PCA

    x = rng.normal(size=shape) * 0.5 ** np.arange(shape[1])
    other = rng.normal(size=(4, shape[1]))
    pca = PCA(n_components=min(shape) - 1, svd_solver="full").fit(x)
    count = int((np.cumsum(pca.explained_variance_ratio_) < 0.95).sum()) + 1
    assert count > 1
    mine = principal_coordinates([x[:5], x[5:]], [x, other])
    for found, sample in zip(mine, (x, other), strict=True):
        np.testing.assert_allclose(abs(found), abs(pca.transform(sample)[:, :count]), atol=1e-9)


def test_there_are_never_more_components_than_asked_for(rng):
    x = rng.normal(size=(300, 130))
    assert principal_coordinates([x], [x])[0].shape == (300, 100)
    assert principal_coordinates([x], [x], most=7)[0].shape == (300, 7)
    assert principal_coordinates([x], [x], share=0.2)[0].shape[1] < 30
    assert principal_coordinates([x[:1]], [x[:1]])[0].tolist() == [[0.0]]  # one point has no spread


@pytest.mark.parametrize(("settings", "words"), [({"share": 0.0}, "share"), ({"most": 0}, "most")])
def test_settings_out_of_range_are_refused(rng, settings, words):
    with pytest.raises(ValueError, match=words):
        principal_coordinates([rng.normal(size=(3, 2))], [], **settings)


def test_one_step_has_no_shift(rng):
    train, test = sequence(rng)
    with pytest.raises(ValueError, match="steps must be >= 2"):
        shift_sizes(train[:1], test, generator=rng)
    with pytest.raises(ValueError, match="lengths must be equal"):
        shift_sizes([train[0], (train[1][0], train[1][1][:-1])], test, generator=rng)
