import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelheir.metrics.flips import rates
from modelheir.metrics.intervals import (
    mean_interval,
    minimal_detectable_nfr,
    normal_quantile,
    paired_bootstrap,
    paired_difference,
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


def test_paired_difference_of_the_published_example():
    # Newcombe 1998: 36 both, 12 and 2 discordant, 0 neither; method 10 gives 0.0569 to 0.3404
    assert paired_difference(np.array([36, 2, 12, 0, 0])) == pytest.approx((0.0569, 0.3404), abs=5e-5)
    mirrored = paired_difference(np.array([36, 12, 2, 0, 0]))
    assert mirrored == pytest.approx((-0.3404, -0.0569), abs=5e-5)


def test_paired_difference_covers_and_is_finite():
    rng = np.random.default_rng(0)
    share = np.array([0.7, 0.05, 0.1, 0.1, 0.05])
    low, high = paired_difference(rng.multinomial(300, share, size=2000))
    covered = ((low <= 0.05) & (high >= 0.05)).mean()
    assert 0.93 < covered < 0.98
    assert paired_difference(np.array([5, 0, 0, 0, 0]))[0] < 0 < paired_difference(np.array([5, 0, 0, 0, 0]))[1]


def test_bootstrap_of_counts_is_the_bootstrap_of_images():
    rng = np.random.default_rng(1)
    codes = rng.choice(5, size=400, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    counts = np.bincount(codes, minlength=5)
    drawn = np.array([np.bincount(rng.choice(codes, 400), minlength=5) for _ in range(3000)])
    expected = np.quantile(rates(drawn)["relative_nfr"], [0.025, 0.975])
    found = paired_bootstrap(counts, lambda c: rates(c)["relative_nfr"], resamples=3000)
    np.testing.assert_allclose(found, expected, atol=0.03)
    assert found == paired_bootstrap(counts, lambda c: rates(c)["relative_nfr"], resamples=3000)
    assert found != paired_bootstrap(counts, lambda c: rates(c)["relative_nfr"], resamples=3000, seed=1)
    with pytest.raises(ValueError, match="at least one image"):
        paired_bootstrap(np.zeros(5, int), lambda c: c[:, 0])


def test_bootstrap_and_wilson_agree_on_nfr():
    counts = np.array([30_000, 1_000, 2_000, 500, 500])
    found = paired_bootstrap(counts, lambda c: rates(c)["nfr"], resamples=4000)
    np.testing.assert_allclose(found, wilson(1000, counts.sum()), rtol=0.02)


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


def newcombe(both, lost, won, neither, confidence):
    """Method 10 from its definition: Wilson's limits as roots of the score equation, phi from the images themselves."""
    images = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [both, lost, won, neither], axis=0)
    n, z = len(images), stats.norm.isf((1 - confidence) / 2)
    ends = []
    for p in images.mean(axis=0):  # old, new: |p - limit| = z sqrt(limit (1 - limit) / n), a quadratic in the limit
        low, high = np.sort(np.roots([1 + z * z / n, -2 * p - z * z / n, p * p]).real)
        ends.append((p, low, high))
    (old, old_low, old_high), (new, new_low, new_high) = ends
    cross = both * neither - lost * won
    phi = 0.0
    if images.std(axis=0).all():
        phi = np.corrcoef(images.T)[0, 1]
        if cross > 0:  # the continuity correction
            phi *= max(cross - n / 2, 0) / cross
    lower = (new - new_low) ** 2 - 2 * phi * (new - new_low) * (old_high - old) + (old_high - old) ** 2
    upper = (new_high - new) ** 2 - 2 * phi * (new_high - new) * (old - old_low) + (old - old_low) ** 2
    return new - old - np.sqrt(max(lower, 0)), new - old + np.sqrt(max(upper, 0))


@many
@given(
    st.tuples(*[st.integers(0, 40)] * 5).filter(any),
    st.sampled_from([0.5, 0.9, 0.95, 0.999]),
)
def test_paired_difference_from_its_definition(counts, confidence):
    both, lost, won, same, other = counts  # wrong twice, the same way or another
    expected = newcombe(both, lost, won, same + other, confidence)
    assert paired_difference(np.array(counts), confidence=confidence) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    "counts",
    [(36, 2, 12, 0, 0), (30, 2, 9, 5, 3), (20, 6, 6, 4, 4), (1, 7, 1, 6, 6), (400, 1, 3, 0, 2), (0, 5, 9, 0, 0)],
)
def test_each_tail_of_the_paired_difference(counts):
    expected = newcombe(*counts[:3], sum(counts[3:]), 0.95)
    assert paired_difference(np.array(counts)) == pytest.approx(expected, abs=1e-9)
    both, lost, won, *wrong = counts
    low, high = paired_difference(np.array([both, won, lost, *wrong]))  # the models exchanged
    assert (-high, -low) == pytest.approx(expected, abs=1e-9)


def test_paired_difference_where_nothing_differs():
    # 54 right twice: Newcombe 1998 gives plus and minus 0.0664, that is z^2 / (n + z^2)
    low, high = paired_difference(np.array([54, 0, 0, 0, 0]))
    assert (low, high) == pytest.approx((-0.0664, 0.0664), abs=5e-5)


def test_each_tail_of_the_paired_difference_misses_as_often_as_it_may():
    rng = np.random.default_rng(3)
    share = np.array([0.8, 0.02, 0.1, 0.05, 0.03])
    low, high = paired_difference(rng.multinomial(150, share, size=20_000), confidence=0.9)
    assert 0.025 < (low > 0.08).mean() < 0.075
    assert 0.025 < (high < 0.08).mean() < 0.075


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("lost", "total"), [(4, 200), (30, 120), (1, 40)])
def test_each_tail_of_the_bootstrap_is_that_of_the_binomial(lost, total, confidence):
    counts = np.array([total - lost, lost, 0, 0, 0])
    found = paired_bootstrap(counts, lambda c: c[:, 1], confidence=confidence, resamples=40_000)
    tails = [(1 - confidence) / 2 + shift for shift in (-0.002, 0.002)]  # the error of 40,000 draws
    binomial = stats.binom(total, lost / total)
    assert binomial.ppf(tails[0]) <= found[0] <= binomial.ppf(tails[1])
    assert binomial.isf(tails[1]) <= found[1] <= binomial.isf(tails[0])


def test_tails_of_the_bootstrap_lie_where_the_draws_do():
    counts = np.array([3, 1, 1, 1, 1])
    seen = []
    found = paired_bootstrap(counts, lambda c: seen.append(c) or c[:, 0] / c.sum(1), confidence=0.6, seed=4)
    (drawn,) = seen
    assert drawn.shape == (2000, 5)
    assert (drawn.sum(1) == 7).all()
    ordered = np.sort(drawn[:, 0] / 7)
    assert ordered[395] <= found[0] <= ordered[405]
    assert ordered[1595] <= found[1] <= ordered[1605]


def test_wilson_at_its_edges():
    z = stats.norm.ppf(0.975)
    assert wilson(0, 7) == pytest.approx((0, z * z / (7 + z * z)))
    assert wilson(7, 7) == pytest.approx((7 / (7 + z * z), 1))
    assert wilson(0, 7)[0] == 0
    assert wilson(7, 7)[1] == 1
    assert wilson(1, 1) == pytest.approx((1 / (1 + z * z), 1))
    assert all(type(end) is float for end in wilson(2, 5))
    assert all(type(end) is float for end in paired_difference(np.array([1, 1, 1, 1, 1])))
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
