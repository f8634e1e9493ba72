import numpy as np
import pytest
from scipy.stats import binom, binomtest

from modelheir.analysis.labelling.rates import Seen, measure_seen
from modelheir.metrics.statistics.intervals import exact, product_interval
from modelheir.metrics.statistics.paired import newcombe, paired_difference, tango
from modelheir.metrics.statistics.sequential import sequence, sequence_of_gain

FLIPS = np.array([0, 12, 20, 0, 8])  # 40 labels
PART, ALL = Seen(1000, 160, 40, FLIPS, 270), Seen(1000, 40, 40, FLIPS, 1000)


def ends(rate, seen, *, k=1.0, confidence=0.95, sequential=False):
    return measure_seen(rate, seen, sequential=sequential).ends(k, confidence)


@pytest.mark.parametrize(("rate", "count"), [("nfr", 12), ("pfr", 20)])
def test_all_labels_of_disagreements_are_as_good_as_all_labels(rate, count):
    by_scipy = binomtest(count, 1000).proportion_ci(0.95, "exact")
    assert ends(rate, ALL) == pytest.approx((by_scipy.low, by_scipy.high))
    found = measure_seen(rate, ALL, sequential=False)
    assert (found.value, found.n, found.unit) == (count / 1000, 1000, "image")


@pytest.mark.parametrize(("rate", "count"), [("nfr", 12), ("pfr", 20)])
def test_some_labels_give_a_share_of_a_share(rate, count):
    by_hand = product_interval(
        lambda c: exact(160, 1000, confidence=c), lambda c: exact(count, 40, confidence=c), confidence=0.9
    )
    assert ends(rate, PART, confidence=0.9) == by_hand
    found = measure_seen(rate, PART, sequential=False)
    assert found.value == pytest.approx(count / 40 * 160 / 1000)
    assert (found.n, found.unit) == (40, "label")
    assert by_hand[0] < found.value < by_hand[1]


def test_the_gain_with_all_labels_of_disagreements_holds_that_of_every_accuracy():
    low, high = ends("accuracy_gain", ALL)
    tables = np.array([[right, 12, 20, 960 - right, 8] for right in range(961)])
    lows, highs = paired_difference(tables)
    assert low == pytest.approx(lows.min(), abs=1e-6)
    assert high == pytest.approx(highs.max(), abs=1e-6)
    assert highs.max() - highs.min() < 3e-4  # the accuracies hardly matter
    assert measure_seen("accuracy_gain", ALL, sequential=False).value == pytest.approx(0.008)
    assert low <= min(newcombe(tables[480])[0], tango(tables[480])[0])


def test_the_gain_with_some_labels_is_the_gain_among_disagreements_times_their_share():
    by_hand = product_interval(
        lambda c: exact(160, 1000, confidence=c), lambda c: paired_difference(np.array([0, 12, 20, 0, 8]), confidence=c)
    )
    assert ends("accuracy_gain", PART) == by_hand
    assert by_hand[0] < 0 < by_hand[1]
    assert measure_seen("accuracy_gain", PART, sequential=False).value == pytest.approx(8 / 40 * 0.16)


def test_churn_needs_no_label():
    for seen in (PART, PART._replace(labelled=0, flips=FLIPS * 0, covered=1)):
        assert ends("churn", seen) == pytest.approx(exact(160, 1000))
        assert ends("churn", seen, sequential=True) == pytest.approx(sequence(160, 1000))


def test_early_looks_are_at_a_test_set_that_grows_with_the_labels():
    assert ends("nfr", PART, sequential=True) == pytest.approx(sequence(12, 270))
    assert ends("pfr", ALL, sequential=True) == pytest.approx(sequence(20, 1000))
    by_hand = sequence_of_gain(np.array([230, 12, 20, 0, 8]))
    assert ends("accuracy_gain", PART, sequential=True) == pytest.approx(by_hand)
    assert measure_seen("nfr", PART, sequential=True).value == pytest.approx(12 / 270)
    assert measure_seen("accuracy_gain", PART, sequential=True).value == pytest.approx(8 / 270)


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("rate", ["nfr", "pfr", "accuracy_gain"])
def test_more_labels_at_the_same_rates_narrow_it(rate, sequential):
    widths = [np.diff(ends(rate, PART, k=k, sequential=sequential))[0] for k in (1.0, 2.0, 3.9, 4.5, 40.0)]
    assert (np.diff(widths) < 0).all()


def test_beyond_all_disagreements_more_labels_mean_more_images():
    assert ends("nfr", PART, k=8.0) == pytest.approx(exact(12 * 8, 2000))  # 320 labels, of twice as many images
    assert ends("nfr", ALL, k=2.0) == pytest.approx(exact(24, 2000))


def test_models_that_agree_have_no_flips():
    none = Seen(50, 0, 0, FLIPS * 0, 50)
    assert none.all
    assert ends("nfr", none) == pytest.approx(exact(0, 50))
    low, high = ends("accuracy_gain", none)
    assert low < 0 < high


def test_neither_end_errs_more_often_than_it_may_whatever_the_draw():
    """A budget of 6 labels on 30 images, also where fewer than 6 disagree: all outcomes, over a grid of both shares."""
    images, budget = 30, 6
    table = {}
    for d in range(images + 1):
        n = min(budget, d)
        for x in range(n + 1):
            table[d, x] = ends("nfr", Seen(images, d, n, np.array([0, x, 0, 0, n - x]), images))
    worst = [0.0, 0.0]
    for share in (0.02, 0.1, 0.15, 0.2, 0.25, 0.4, 0.7):
        for among in (0.05, 0.2, 0.4, 0.6, 0.9):
            wrong = [0.0, 0.0]
            for (d, x), (low, high) in table.items():
                chance = binom.pmf(d, images, share) * binom.pmf(x, min(budget, d), among)
                wrong[0] += chance * (low > share * among)
                wrong[1] += chance * (high < share * among)
            worst = [max(pair) for pair in zip(worst, wrong, strict=True)]
    assert max(worst) <= 0.025
    assert min(worst) > 0.002
