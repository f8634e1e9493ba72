"""The forecast of a gain: its limits by hand, least squares by SciPy, and how often its interval covers."""

import numpy as np
import pytest
from scipy import stats

from modelheir.analysis.forecast import Held, forecast_gain, paired_variance


def test_with_nothing_that_moves_it_is_the_mean_of_all_pairs():
    sizes, gains = [10, 10, 10, 20], [0.01, 0.02, 0.03, 0.06]
    found = forecast_gain(sizes, gains, whole=640, held=Held(slope=0.0, wander=0.0))
    assert found.gain == pytest.approx(np.mean(gains))
    assert found.spread["size"] == 0


def test_with_a_free_slope_it_is_the_line_through_the_sizes():
    """The oracle is SciPy's regression on the doublings, read where the whole is."""
    sizes, gains = np.array([10, 20, 40, 10, 20, 40]), np.array([0.05, 0.02, 0.02, 0.06, 0.04, 0.01])
    line = stats.linregress(np.log2(sizes), gains)
    found = forecast_gain(sizes, gains, whole=320, held=Held(slope=100.0, wander=0.0))
    assert found.gain == pytest.approx(line.intercept + line.slope * np.log2(320), abs=1e-6)


def test_with_much_wandering_it_is_the_last_size():
    found = forecast_gain([10, 20, 40], [0.05, 0.09, 0.02], whole=41, held=Held(slope=0.0, wander=10.0, seeds=1e-6))
    assert found.gain == pytest.approx(0.02, abs=1e-3)


def test_the_last_size_is_nearly_the_answer_where_it_is_the_whole():
    found = forecast_gain([10, 40], [0.3, 0.02], whole=40, held=Held(seeds=1e-4))
    assert found.gain == pytest.approx(0.02, abs=1e-3)
    assert found.spread["size"] < 1e-3


def test_least_squares_by_a_loop():
    """Weights by inverting the covariance, term by term; the interval by hand."""
    held, sizes, gains, whole = (
        Held(slope=0.02, wander=0.015, seeds=0.01, weight=3.0),
        [5, 10, 10],
        [0.1, 0.07, 0.05],
        40,
    )
    x = [np.log2(5 / 40), np.log2(10 / 40)]
    y, counts = [0.1, 0.06], [1, 2]
    squared = ((0.07 - 0.06) ** 2 + (0.05 - 0.06) ** 2 + 3 * 0.01**2) / (1 + 3)
    cov = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            cov[i, j] = 0.02**2 * x[i] * x[j] + 0.015**2 * min(abs(x[i]), abs(x[j])) + (i == j) * squared / counts[i]
    inverse = np.linalg.inv(cov)
    found = forecast_gain(sizes, gains, whole=whole, held=held, image_variance=1e-4, confidence=0.9)
    total = 1 / inverse.sum() + squared + 1e-4
    assert found.gain == pytest.approx(inverse.sum(axis=0) @ y / inverse.sum())
    assert sum(one**2 for one in found.spread.values()) == pytest.approx(total)
    half = stats.t.ppf(0.95, 4) * total**0.5
    assert (found.low, found.high) == pytest.approx((found.gain - half, found.gain + half))


def test_the_order_of_pairs_changes_nothing():
    sizes, gains = [10, 20, 40, 10, 20], [0.05, 0.02, 0.02, 0.06, 0.04]
    order = [3, 0, 4, 2, 1]
    first = forecast_gain(sizes, gains, whole=99)
    again = forecast_gain([sizes[i] for i in order], [gains[i] for i in order], whole=99)
    assert (first.gain, first.low, first.high) == pytest.approx((again.gain, again.low, again.high))


@pytest.mark.parametrize("change", [{"image_variance": 1e-3}, {"whole": 4_000}, {"held": Held(wander=0.05)}])
def test_less_knowledge_is_a_wider_interval(change):
    usual = {"whole": 100, "image_variance": 1e-4, "held": Held()}
    pairs = [10, 20, 10, 20], [0.05, 0.04, 0.06, 0.05]
    narrow, wide = (forecast_gain(*pairs, **given) for given in (usual, {**usual, **change}))
    assert wide.high - wide.low > narrow.high - narrow.low


def test_one_pair_is_enough_and_its_interval_stays_within_what_can_be():
    found = forecast_gain([10], [0.9], whole=10_000, held=Held(slope=0.1))
    assert found.gain == 0.9
    assert found.high == 1.0
    assert found.low < 0.1
    assert not forecast_gain([10], [0.0], whole=20).decided
    assert forecast_gain([10], [0.5], whole=20).decided
    assert forecast_gain([10], [-0.5], whole=20).decided


WORLDS = {
    "usual": Held(),
    "seeds matter": Held(slope=0.002, wander=0.002, seeds=0.02),
    "size matters": Held(slope=0.05, wander=0.02, seeds=0.005),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_interval_covers_as_often_as_it_says(name):
    """A world as the model says: a slope, a wandering gain, seeds and images; it covers at least 95 in a hundred."""
    rng, covered, draws, held = np.random.default_rng(0), 0, 2000, WORLDS[name]
    whole, sizes = 64.0, np.array([4.0, 8.0, 16.0])
    x = np.log2(sizes / whole)
    steps = -np.diff(np.concatenate([x, [0.0]])[::-1])  # from the whole down to the smallest
    for _ in range(draws):
        gain, slope = rng.normal(0.03, 0.05), rng.normal(0, held.slope)
        walk = np.cumsum(rng.normal(0, held.wander * np.sqrt(steps)))[::-1]
        spread = held.seeds * np.sqrt(held.weight / rng.chisquare(held.weight))
        images = rng.normal(0, 0.01)  # what the selection split's images add to every gain
        gains = gain + slope * x + walk + images + rng.normal(0, spread, (2, 3))
        found = forecast_gain(np.tile(sizes, 2), gains.ravel(), whole=whole, image_variance=1e-4, held=held)
        covered += found.low <= gain + rng.normal(0, spread) <= found.high
    assert 0.94 <= covered / draws <= 0.99


def test_the_variance_of_a_gain_by_its_images():
    """The oracle: the variance of the mean of ten numbers, each -1, 0 or 1."""
    found = paired_variance([[5, 1, 3, 1, 0]])
    assert found == pytest.approx(np.var([-1, 1, 1, 1, 0, 0, 0, 0, 0, 0]) / 10)
    both = paired_variance([[5, 1, 3, 1, 0], [10, 0, 0, 0, 0]])
    assert both == pytest.approx(found / 2)


def test_what_cannot_be_is_refused():
    for sizes, gains in (([], []), ([0], [0.1]), ([50], [0.1]), ([10], [0.1, 0.2])):
        with pytest.raises(ValueError, match=r"at least one pair|sizes must|differ|length"):
            forecast_gain(sizes, gains, whole=40)
    with pytest.raises(ValueError, match="image_variance"):
        forecast_gain([10], [0.1], whole=40, image_variance=-1.0)
    for counts in ([], [[0, 0, 0, 0, 0]]):
        with pytest.raises(ValueError, match="at least one image"):
            paired_variance(np.array(counts).reshape(-1, 5))
