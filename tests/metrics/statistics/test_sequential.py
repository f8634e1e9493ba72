import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import beta, betabinom, binom

from modelheir.metrics.statistics.intervals import exact
from modelheir.metrics.statistics.sequential import sequence, sequence_of_gain


def oracle(count, total, confidence):
    """Solve prior over posterior = 1 / a by SciPy's beta densities, on either side of the posterior's peak."""
    tail = (1 - confidence) / 2

    def excess(share):
        ratio = beta.logpdf(share, 0.5, 0.5) - beta.logpdf(share, count + 0.5, total - count + 0.5)
        return ratio + np.log(tail)

    middle = count / total
    low = brentq(excess, 1e-12, middle, xtol=1e-14) if count else 0.0
    high = brentq(excess, middle, 1 - 1e-12, xtol=1e-14) if count < total else 1.0
    return low, high


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(
    ("count", "total"), [(0, 1), (1, 1), (1, 2), (0, 10), (3, 10), (10, 10), (20, 1000), (7, 50_000)]
)
def test_ends_are_where_prior_over_posterior_is_one_over_a(count, total, confidence):
    if 0 < count < total:
        assert sequence(count, total, confidence=confidence) == pytest.approx(
            oracle(count, total, confidence), abs=1e-9
        )
    else:  # (1 - p) ** n = a * B(1/2, n + 1/2) / B(1/2, 1/2), the chance of no hit under the prior
        none = ((1 - confidence) / 2 * betabinom.pmf(0, total, 0.5, 0.5)) ** (1 / total)
        found = sequence(count, total, confidence=confidence)
        assert found == pytest.approx((0.0, 1 - none) if count == 0 else (none, 1.0), abs=1e-12)


def leaves(share, looks, *, within):
    """Return the chance that ``share`` is ever outside up to so many looks: exact, by adding image after image."""
    alive, chance = np.array([1.0]), 0.0
    for n in range(1, looks + 1):
        alive = np.append(alive * (1 - share), 0.0) + np.append(0.0, alive * share)
        inside = within(np.arange(n + 1), n)
        chance += alive[~inside].sum()
        alive = np.where(inside, alive, 0.0)
    return chance


@pytest.mark.parametrize("share", [0.005, 0.02, 0.3])
def test_the_truth_seldom_ever_leaves_and_often_leaves_exact_intervals(share):
    def of(interval):
        def within(count, n):
            low, high = interval(count, np.full(n + 1, n))
            return (low <= share) & (share <= high)

        return leaves(share, 300, within=within)

    assert of(sequence) <= 0.025  # both ends together
    assert of(exact) > 0.05  # what looking often does to intervals for one look


@pytest.mark.parametrize("share", [0.005, 0.05])
def test_looking_at_every_one_of_ten_thousand_images_is_allowed(share):
    """Paths of 10,000 images, 200 of them; the set is asked through its ends where a path is nearest to leaving."""
    looks, paths = 10_000, 200
    hits = np.cumsum(np.random.default_rng(0).random((paths, looks)) < share, axis=1)
    n = np.arange(1, looks + 1)
    level = binom.logpmf(hits, n, share) - betabinom.logpmf(hits, n, 0.5, 0.5)  # log of posterior over prior, by SciPy
    worst = level.argmin(axis=1)
    low, high = sequence(hits[np.arange(paths), worst], n[worst])
    left = (share < low) | (share > high)
    assert (left == (level.min(axis=1) <= np.log(0.025))).all()
    assert left.mean() <= 0.025


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20_000), st.floats(0, 1), st.floats(0.5, 0.999))
def test_it_holds_the_estimate_is_wider_than_the_exact_one_and_mirrors(total, part, confidence):
    count = round(part * total)
    low, high = sequence(count, total, confidence=confidence)
    exact_low, exact_high = exact(count, total, confidence=confidence)
    assert 0 <= low <= exact_low <= count / total <= exact_high <= high <= 1
    other = sequence(total - count, total, confidence=confidence)
    assert other == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_ends_rise_with_the_count_and_close_in_with_images_and_with_less_confidence():
    low, high = sequence(np.arange(201), np.full(201, 200))
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= 0).all()
    k = np.array([1, 2, 4, 64, 1024])
    low, high = sequence(2 * k, 100 * k)
    assert (np.diff(low) > 0).all()
    assert (np.diff(high) < 0).all()
    assert sequence(5, 100, confidence=0.9)[1] < sequence(5, 100, confidence=0.95)[1]


def test_nothing_seen_says_nothing_and_scalars_stay_scalars():
    assert sequence(0, 0) == (0.0, 1.0)
    low, high = sequence(np.array([0, 3]), np.array([0, 3]))
    assert (low[0], high[0], high[1]) == (0.0, 1.0, 1.0)
    assert low[1] == sequence(3, 3)[0]


@pytest.mark.parametrize(("count", "total", "confidence"), [(-1, 3, 0.95), (4, 3, 0.95), (1, 3, 1.0), (1, 3, 0.0)])
def test_what_it_refuses(count, total, confidence):
    with pytest.raises(ValueError, match="must"):
        sequence(count, total, confidence=confidence)


def test_the_gain_adds_the_ends_of_both_flips_at_half_the_error():
    counts = np.array([[360, 20, 120, 0, 0], [0, 0, 0, 7, 3]])
    low, high = sequence_of_gain(counts, confidence=0.9)
    for row, lo, hi in zip(counts, low, high, strict=True):
        lost, won = (
            oracle(row[k], row.sum(), 0.95) if row[k] else sequence(0, row.sum(), confidence=0.95) for k in (1, 2)
        )
        assert (lo, hi) == pytest.approx((won[0] - lost[1], won[1] - lost[0]), abs=1e-9)
    assert sequence_of_gain(counts[0], confidence=0.9) == (low[0], high[0])
    swapped = sequence_of_gain(counts[0][[0, 2, 1, 3, 4]], confidence=0.9)
    assert swapped == pytest.approx((-high[0], -low[0]))
