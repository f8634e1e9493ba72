import numpy as np
import pytest

from modelheir.analysis.slices.direction import direction, tails


def data(seed, n=4000, d=5, shift=2.0):
    rng = np.random.default_rng(seed)
    flipped = rng.random(n) < 0.3
    points = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    points[flipped] += shift * rng.normal(size=d)
    return points, flipped


@pytest.mark.extras
def test_the_direction_is_fishers():
    """Without its ridge it is scikit-learn's up to length; with it the two nearly agree where axes are well spread."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    points, flipped = data(0)
    points /= points.std(axis=0)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.0).fit(points, flipped)
    found = direction(points, flipped)
    spread = np.cov(points.T, bias=True) + 0.1 * np.eye(5)  # the mean variance is 1
    np.testing.assert_allclose(spread @ found, points[flipped].mean(0) - points[~flipped].mean(0))
    close = found @ lda.coef_[0] / np.linalg.norm(found) / np.linalg.norm(lda.coef_[0])
    assert close > 0.9


def test_an_end_holds_the_images_that_differ():
    points, flipped = data(1, shift=3.0)
    places = np.arange(0, 4000, 2)
    for share, (end, known) in zip((0.1, 0.2), tails(points, places, flipped[places], (0.1, 0.2)), strict=True):
        assert end.shape == (4000,)
        assert known.shape == (2000,)
        assert end[places].mean() == pytest.approx(share, abs=0.002)
        assert known.mean() == pytest.approx(share, abs=0.002)
        assert flipped[end].mean() > 0.8
        assert flipped[places][known].mean() > 0.8


def test_chance_flips_look_no_worse_at_the_end_of_the_others_direction():
    """Many axes and few images follow any flips; judged by the other half they do not."""
    own, others = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        points, flipped = rng.normal(size=(300, 30)), rng.random(300) < 0.2
        ((end, known),) = tails(points, np.arange(300), flipped, (0.1,))
        own.append(flipped[end].mean())
        others.append(flipped[known].mean())
    assert np.mean(own) > 0.4
    assert np.mean(others) == pytest.approx(0.2, abs=0.05)


def test_edges_and_refusals():
    points = np.ones((6, 2))
    assert direction(points, np.zeros(6, bool)).tolist() == [0, 0]
    assert direction(points, np.ones(6, bool)).tolist() == [0, 0]
    assert direction(points, np.arange(6) < 2).tolist() == [0, 0]
    assert direction(np.arange(6.0)[:, None], np.arange(6) > 3).shape == (1,)
    ((end, _),) = tails(points, np.arange(6), np.zeros(6, bool), (0.5,))
    assert not end.any()
    with pytest.raises(ValueError, match="lengths"):
        direction(points, np.zeros(5, bool))
    with pytest.raises(ValueError, match="two dimensions"):
        direction(points[0], np.zeros(2, bool))
