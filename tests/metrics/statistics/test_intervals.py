import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelheir.metrics.statistics.intervals import (
    exact,
    mean_interval,
    minimal_detectable_nfr,
    normal_quantile,
    product_interval,
    weighted_rate,
    wilson,
)

many = settings(deadline=None, max_examples=25)


@many
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_against_scipy(pair, confidence):
    count, total = pair
    expected = stats.binomtest(count, total).proportion_ci(confidence, method="wilson")
    low, high = wilson(count, total, confidence=confidence)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= count / total <= high <= 1


def test_wilson_over_arrays_and_at_the_edges():
    low, high = wilson(np.array([0, 5, 10, 0]), np.array([10, 10, 10, 0]))
    assert low[0] == 0
    assert high[2] == 1
    assert (low[3], high[3]) == (0, 1)  # nothing seen, nothing known
    assert (low[1], high[1]) == wilson(5, 10)
    with pytest.raises(ValueError, match="from 0 to total"):
        wilson(3, 2)
    with pytest.raises(ValueError, match="confidence must be between 0 and 1, got 1"):
        wilson(1, 2, confidence=1)


def test_normal_quantile_against_scipy():
    assert normal_quantile(0.99) == pytest.approx(stats.norm.ppf(0.995))


def test_confidences_may_be_an_array():
    each = np.array([0.5, 0.9, 0.999])
    assert normal_quantile(each) == pytest.approx(stats.norm.ppf(0.5 + each / 2))
    for interval in (exact, wilson):
        one_by_one = [interval(3, 20, confidence=c) for c in each.tolist()]
        assert np.stack(interval(3, 20, confidence=each), axis=1) == pytest.approx(np.array(one_by_one))
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        normal_quantile(np.array([0.5, 1.0]))


def shares(*counts):
    """Return the exact intervals of counts, as functions of the confidence."""
    return [lambda c, pair=pair: exact(*pair, confidence=c) for pair in counts]


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_a_product_of_normal_estimates_gets_its_disc(confidence):
    """The ends of a sum of logarithms over the disc are ``r`` times its standard deviation; ``r`` by SciPy."""
    tail = (1 - confidence) / 2
    weights = 0.5 * stats.chi2.sf(np.arange(0, 6, 1e-5) ** 2, 1) + 0.25 * stats.chi2.sf(np.arange(0, 6, 1e-5) ** 2, 2)
    radius = np.argmax(weights <= tail) * 1e-5
    spread = (0.03, 0.04)

    def normal(sd):
        return lambda c: (
            0.5 * np.exp(-sd * stats.norm.ppf(0.5 + c / 2)),
            0.5 * np.exp(sd * stats.norm.ppf(0.5 + c / 2)),
        )

    low, high = product_interval(*map(normal, spread), confidence=confidence)
    assert np.log(high / 0.25) == pytest.approx(radius * 0.05, rel=0.01)
    assert np.log(high / 0.25) > radius * 0.05  # rectangles cover the disc
    assert np.log(low / 0.25) == pytest.approx(-np.log(high / 0.25))


@pytest.mark.parametrize(("n", "m"), [(12, 9), (25, 6)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_neither_end_of_a_product_errs_more_often_than_it_may(n, m, confidence):
    """All outcomes of two binomials, over a grid of both shares."""
    ends = np.array([[product_interval(*shares((x, n), (y, m)), confidence=confidence) for y in range(m + 1)]
                     for x in range(n + 1)])  # fmt: skip
    worst = [0.0, 0.0]
    for one in np.linspace(0.02, 0.98, 25):
        for other in np.linspace(0.02, 0.98, 25):
            chance = np.outer(stats.binom.pmf(np.arange(n + 1), n, one), stats.binom.pmf(np.arange(m + 1), m, other))
            worst[0] = max(worst[0], chance[ends[..., 0] > one * other].sum())
            worst[1] = max(worst[1], chance[ends[..., 1] < one * other].sum())
    assert max(worst) <= (1 - confidence) / 2
    assert min(worst) > (1 - confidence) / 20  # and it is no interval of everything


def test_a_product_may_be_negative_and_nearly_known():
    low, high = product_interval(*shares((500, 1000)), lambda c: (0 * c - 0.2, 0 * c - 0.1))
    assert (low, high) == pytest.approx((-0.2 * 0.5346, -0.1 * 0.4654), abs=0.004)
    assert low < -0.2 * exact(500, 1000)[1] < -0.1 * exact(500, 1000)[0] < high
    assert product_interval(*shares((0, 50), (0, 5)))[0] == 0
    with pytest.raises(ValueError, match="confidence must be"):
        product_interval(*shares((1, 2), (1, 2)), confidence=1.0)


def test_mean_interval_against_scipy():
    values = np.random.default_rng(0).normal(size=5000)
    expected = stats.norm.interval(0.9, loc=values.mean(), scale=stats.sem(values))
    assert mean_interval(values, confidence=0.9) == pytest.approx(expected)
    assert mean_interval(np.array([0.5])) == (0.5, 0.5)


def test_a_rate_has_no_interval_below_nothing():
    few = np.eye(1, 1000)[0] * 0.6  # one graded flip
    low, high = mean_interval(few)
    assert low < 0
    assert mean_interval(few, within=(0, 1)) == (0, high)
    assert mean_interval(1 - few, within=(0, 1)) == pytest.approx((1 - high, 1))


def test_minimal_detectable_nfr():
    assert minimal_detectable_nfr(50_000, nfr=0.0235) == pytest.approx(0.0013, abs=5e-5)
    assert minimal_detectable_nfr(50_000, nfr=0.0235, power=0.8) > minimal_detectable_nfr(50_000, nfr=0.0235)
    with pytest.raises(ValueError, match="nfr must be from 0 to 1"):
        minimal_detectable_nfr(10, nfr=2)
    with pytest.raises(ValueError, match="power"):
        minimal_detectable_nfr(10, nfr=0.1, power=0.1)


def test_wilson_at_its_edges():
    z = stats.norm.ppf(0.975)
    assert wilson(0, 7) == pytest.approx((0, z * z / (7 + z * z)))
    assert wilson(7, 7) == pytest.approx((7 / (7 + z * z), 1))
    assert wilson(0, 7)[0] == 0
    assert wilson(7, 7)[1] == 1
    assert wilson(1, 1) == pytest.approx((1 / (1 + z * z), 1))
    assert all(type(end) is float for end in wilson(2, 5))
    assert normal_quantile(0.5) == pytest.approx(0.67449, abs=1e-5)


def test_the_interval_of_a_mean_by_hand():
    z = stats.norm.ppf(0.975)
    values = np.array([0.0, 1.0, 1.0, 2.0])
    reach = z * np.sqrt((2 / 3) / 4)
    assert mean_interval(values) == pytest.approx((1 - reach, 1 + reach))
    assert mean_interval(np.array([0.0, 1.0])) == pytest.approx((0.5 - z / 2, 0.5 + z / 2))
    assert mean_interval(np.array([0.0, 1.0]), within=(0.25, 0.75)) == (0.25, 0.75)


def test_the_smallest_change_that_can_be_told_by_hand():
    spread = np.sqrt(0.1 * 0.9 / 50)
    for confidence, power in ((0.95, 0.5), (0.9, 0.8)):
        z = stats.norm.ppf(0.5 + confidence / 2) + stats.norm.ppf(power)
        found = minimal_detectable_nfr(50, nfr=0.1, confidence=confidence, power=power)
        assert found == pytest.approx(z * spread)


@many
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_the_exact_interval_against_scipy(pair, confidence):
    count, total = pair
    expected = stats.binomtest(count, total).proportion_ci(confidence, method="exact")
    low, high = exact(count, total, confidence=confidence)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-10)
    assert 0 <= low <= count / total <= high <= 1


def test_the_exact_interval_over_arrays_and_at_the_edges():
    low, high = exact(np.array([0, 5, 10, 0]), np.array([10, 10, 10, 0]))
    assert (low[0], high[2]) == (0, 1)
    assert high[0] == pytest.approx(1 - 0.025 ** (1 / 10))  # none of ten: (1 - p)^10 = 2.5 %
    assert low[2] == pytest.approx(0.025 ** (1 / 10))
    assert (low[3], high[3]) == (0, 1)  # nothing seen, nothing known
    assert (low[1], high[1]) == exact(5, 10)
    assert all(type(end) is float for end in exact(2, 5))
    with pytest.raises(ValueError, match="from 0 to total"):
        exact(3, 2)
    with pytest.raises(ValueError, match="from 0 to total"):
        exact(-1, 2)
    with pytest.raises(ValueError, match="confidence must be between 0 and 1, got 1"):
        exact(1, 2, confidence=1)


@pytest.mark.parametrize("p", [0.002, 0.0102, 0.05, 0.2])
def test_no_end_of_the_exact_interval_is_wrong_more_often_than_it_may(p):
    seen = np.arange(201)
    chance = stats.binom(200, p).pmf(seen)
    low, high = exact(seen, 200)
    assert chance[low > p].sum() <= 0.025
    assert chance[high < p].sum() <= 0.025


def test_the_weighed_rate_of_whole_events_is_the_exact_poisson_interval():
    for count in (0, 1, 7, 40):
        low, high = weighted_rate(np.ones(count), 1000, confidence=0.9)
        expected = stats.chi2.ppf(0.05, 2 * count) / 2 if count else 0.0
        assert low == pytest.approx(expected / 1000)
        assert high == pytest.approx(stats.chi2.ppf(0.95, 2 * count + 2) / 2000)


@many
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=30), st.floats(0.5, 0.999))
def test_the_weighed_rate_from_its_definition(weights, confidence):
    y, v, tail = sum(weights), sum(w * w for w in weights), (1 - confidence) / 2
    low, high = weighted_rate(np.array(weights), 1000, confidence=confidence)
    assert low == pytest.approx(v / (2 * y) * stats.chi2.ppf(tail, 2 * y * y / v) / 1000)
    more = stats.chi2.ppf(1 - tail, 2 * (y + 1) ** 2 / (v + 1))
    assert high == pytest.approx((v + 1) / (2 * (y + 1)) * more / 1000)
    assert low <= y / 1000 <= high


def test_the_weighed_rate_covers_where_flips_are_few():
    rng = np.random.default_rng(0)
    missed = np.zeros(2)
    for _ in range(4000):  # 500 images, half a percent of them flip, weights of mean one half
        weights = rng.random(rng.binomial(500, 0.005))
        low, high = weighted_rate(weights, 500)
        missed += low > 0.0025, high < 0.0025
    assert (missed / 4000 < 0.025).all()


def test_a_weighed_rate_that_cannot_be():
    assert weighted_rate(np.zeros(3), 10)[0] == 0
    assert weighted_rate(np.ones(3), 3)[1] == 1
    with pytest.raises(ValueError, match="weights must lie from 0 to 1"):
        weighted_rate(np.array([1.5]), 10)
    with pytest.raises(ValueError, match="total must be >= 2"):
        weighted_rate(np.ones(2), 1)
    with pytest.raises(ValueError, match="total must be >= 1"):
        weighted_rate(np.ones(0), 0)
    with pytest.raises(ValueError, match="confidence must be between"):
        weighted_rate(np.ones(1), 9, confidence=0.0)
