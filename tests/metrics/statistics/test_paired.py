import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from modelheir.metrics.flips import rates
from modelheir.metrics.statistics.intervals import exact
from modelheir.metrics.statistics.paired import newcombe, paired_difference, relative_nfr_interval, tango

many = settings(deadline=None, max_examples=25)
counted = st.tuples(*[st.integers(0, 40)] * 5).filter(any)


def test_newcombe_of_the_published_example():
    # Newcombe 1998: 36 both, 12 and 2 discordant, 0 neither; method 10 gives 0.0569 to 0.3404
    assert newcombe(np.array([36, 2, 12, 0, 0])) == pytest.approx((0.0569, 0.3404), abs=5e-5)
    mirrored = newcombe(np.array([36, 12, 2, 0, 0]))
    assert mirrored == pytest.approx((-0.3404, -0.0569), abs=5e-5)


def test_newcombe_covers_and_is_finite():
    rng = np.random.default_rng(0)
    share = np.array([0.7, 0.05, 0.1, 0.1, 0.05])
    low, high = newcombe(rng.multinomial(300, share, size=2000))
    covered = ((low <= 0.05) & (high >= 0.05)).mean()
    assert 0.93 < covered < 0.98
    assert newcombe(np.array([5, 0, 0, 0, 0]))[0] < 0 < newcombe(np.array([5, 0, 0, 0, 0]))[1]


def newcombe_by_hand(both, lost, won, neither, confidence):
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
def test_newcombe_from_its_definition(counts, confidence):
    both, lost, won, same, other = counts  # wrong twice, the same way or another
    expected = newcombe_by_hand(both, lost, won, same + other, confidence)
    assert newcombe(np.array(counts), confidence=confidence) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    "counts",
    [(36, 2, 12, 0, 0), (30, 2, 9, 5, 3), (20, 6, 6, 4, 4), (1, 7, 1, 6, 6), (400, 1, 3, 0, 2), (0, 5, 9, 0, 0)],
)
def test_each_tail_of_the_newcombe(counts):
    expected = newcombe_by_hand(*counts[:3], sum(counts[3:]), 0.95)
    assert newcombe(np.array(counts)) == pytest.approx(expected, abs=1e-9)
    both, lost, won, *wrong = counts
    low, high = newcombe(np.array([both, won, lost, *wrong]))  # the models exchanged
    assert (-high, -low) == pytest.approx(expected, abs=1e-9)


def test_newcombe_where_nothing_differs():
    # 54 right twice: Newcombe 1998 gives plus and minus 0.0664, that is z^2 / (n + z^2)
    low, high = newcombe(np.array([54, 0, 0, 0, 0]))
    assert (low, high) == pytest.approx((-0.0664, 0.0664), abs=5e-5)


def test_each_tail_of_newcombes_interval_misses_as_often_as_it_may():
    rng = np.random.default_rng(3)
    share = np.array([0.8, 0.02, 0.1, 0.05, 0.03])
    low, high = newcombe(rng.multinomial(150, share, size=20_000), confidence=0.9)
    assert 0.025 < (low > 0.08).mean() < 0.075
    assert 0.025 < (high < 0.08).mean() < 0.075


def tango_by_hand(lost, won, rest, confidence):
    """Ends of the gains that the score test keeps; the likeliest share of negative flips is found by search."""
    n, z = lost + won + rest, stats.norm.isf((1 - confidence) / 2)

    def score(d):
        def unlikely(q):  # q negative flips, q + d positive ones
            shares = np.array([q, q + d, 1 - 2 * q - d])
            seen = np.array([lost, won, rest])
            with np.errstate(divide="ignore", invalid="ignore"):
                return -np.where(seen > 0, seen * np.log(np.maximum(shares, 1e-300)), 0).sum()

        low, high = max(0, -d), (1 - d) / 2
        q = optimize.minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
        return (won - lost - n * d) / np.sqrt(n * (2 * q + d * (1 - d)))

    gain = (won - lost) / n
    return (
        optimize.brentq(lambda d: score(d) - z, -1 + 1e-9, gain - 1e-9),
        optimize.brentq(lambda d: score(d) + z, gain + 1e-9, 1 - 1e-9),
    )


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize(("lost", "won", "rest"), [(2, 12, 36), (20, 50, 930), (7, 7, 10), (30, 3, 400), (1, 2, 3)])
def test_tango_against_a_search(lost, won, rest, confidence):
    found = tango(np.array([rest, lost, won, 0, 0]), confidence=confidence)
    assert found == pytest.approx(tango_by_hand(lost, won, rest, confidence), abs=2e-5)
    low, high = tango(np.array([0, won, lost, rest, 0]), confidence=confidence)  # the models exchanged
    assert (-high, -low) == pytest.approx(found, abs=1e-9)


def test_tango_where_nothing_differs_is_the_score_interval_of_nothing():
    z = stats.norm.ppf(0.975)
    assert tango(np.array([54, 0, 0, 0, 0])) == pytest.approx((-z * z / (54 + z * z), z * z / (54 + z * z)))


@many
@given(counted, st.sampled_from([0.5, 0.95, 0.999]))
def test_the_difference_takes_the_wider_of_both_ends(counts, confidence):
    counts = np.array(counts)
    ends = np.array([of(counts, confidence=confidence) for of in (newcombe, tango)])
    low, high = paired_difference(counts, confidence=confidence)
    assert (low, high) == (ends[:, 0].min(), ends[:, 1].max())
    assert -1 <= low <= (counts[2] - counts[1]) / counts.sum() + 1e-9
    assert (counts[2] - counts[1]) / counts.sum() - 1e-9 <= high <= 1
    assert type(low) is float


def test_many_differences_at_once_are_each_by_itself():
    counts = np.array([[36, 2, 12, 0, 0], [890, 20, 50, 30, 10]])
    low, high = paired_difference(counts)
    assert [(low[k], high[k]) for k in (0, 1)] == [paired_difference(row) for row in counts]


def relative_by_hand(counts, confidence):
    """Each end from its definition: the ratio at which the recovered interval of ``a - ratio b`` touches zero."""
    right, lost, won, same, other = counts
    kept, rest, n = right + lost, won + same + other, sum(counts)
    (a, b), ends = (lost / kept, (same + other) / rest), [exact(lost, kept, confidence=confidence)]
    ends.append(exact(same + other, rest, confidence=confidence))

    def lower(t):
        return a - t * b - np.hypot(a - ends[0][0], t * (ends[1][1] - b))

    def upper(t):
        return a - t * b + np.hypot(ends[0][1] - a, t * (b - ends[1][0]))

    def relative(t, share):
        return t / (share * t + 1 - share)

    share, point = kept / n, relative(a / b, kept / n)
    low = relative(optimize.brentq(lower, 0, a / b) if lost else 0.0, share)
    high = relative(optimize.brentq(upper, a / b, 1e9), share)
    moved = [relative(a / b, end) for end in exact(kept, n, confidence=confidence)]
    return (
        max(0, point - np.hypot(point - low, point - min(*moved, point))),
        point + np.hypot(high - point, max(*moved, point) - point),
    )


@many
@given(st.tuples(st.integers(1, 400), *[st.integers(1, 40)] * 4), st.sampled_from([0.8, 0.95]))
def test_the_interval_of_the_relative_nfr_from_its_definition(counts, confidence):
    found = relative_nfr_interval(np.array(counts), confidence=confidence)
    assert found == pytest.approx(relative_by_hand(counts, confidence), rel=1e-6, abs=1e-9)
    assert found[0] <= float(rates(np.array(counts))["relative_nfr"]) <= found[1]


def test_the_interval_of_the_relative_nfr_rises_with_the_flips():
    ends = [relative_nfr_interval(np.array([900 - flips, flips, 50, 40, 10])) for flips in range(12)]
    low, high = np.array(ends).T
    assert (np.diff(high) > 0).all()  # a bootstrap has it fall from no flip to one
    assert low[0] == 0
    assert (np.diff(low) > 0).all()


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((5, 0, 0, 0, 0), (0.0, 1.0)),  # no old mistake: nothing is known of them
        ((5, 3, 9, 0, 0), None),  # each old mistake is mended
        ((0, 0, 5, 0, 0), None),  # never right, always right: no flip is possible
        ((0, 0, 0, 5, 2), None),
    ],
)
def test_edges_of_the_relative_nfr(counts, expected):
    low, high = relative_nfr_interval(np.array(counts))
    assert low >= 0
    assert high is None or high >= float(rates(np.array(counts))["relative_nfr"]) - 1e-12
    if expected:
        assert (low, high) == pytest.approx(expected)
    with pytest.raises(ValueError, match="at least one image"):
        relative_nfr_interval(np.zeros(5, int))


@pytest.mark.parametrize("shares", [(0.93, 0.002, 0.03, 0.038), (0.89, 0.02, 0.05, 0.04), (0.4, 0.2, 0.2, 0.2)])
@pytest.mark.parametrize("images", [200, 2000])
def test_the_relative_nfr_is_covered(shares, images):
    truth = shares[1] / ((shares[0] + shares[1]) * (shares[1] + shares[3]))
    drawn = np.random.default_rng(0).multinomial(images, shares, size=1500)
    ends = [relative_nfr_interval(np.append(counts, 0)) for counts in drawn]
    missed = np.mean([(low > truth, high is not None and high < truth) for low, high in ends], axis=0)
    assert missed.sum() < 0.06
