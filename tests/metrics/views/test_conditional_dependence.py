import math

import numpy as np
import pytest

from modelheir.metrics.views.conditional_dependence import conditional_dependence

C = 3


def draw(seed, n=600, follow=0.0):
    """Two views that are each right with 0.6, and in a share of the images the second says what the first says."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, C, n)
    first, second = (np.where(generator.random(n) < 0.6, label, generator.integers(0, C, n)) for _ in range(2))
    return first, np.where(generator.random(n) < follow, first, second), label


def found(seed=0, draws=100, **named):
    return conditional_dependence(*draw(seed, **named), draws=draws, generator=np.random.default_rng(1))


def test_information_against_a_loop():
    first, second, label = draw(3, follow=0.3)
    total = 0.0
    for y in range(C):
        rows = label == y
        for a in range(C):
            for b in range(C):
                both = (first[rows] == a) & (second[rows] == b)
                if both.any():
                    apart = (first[rows] == a).mean() * (second[rows] == b).mean()
                    total += rows.mean() * both.mean() * math.log(both.mean() / apart)
    assert found(3, follow=0.3).information == pytest.approx(total)


@pytest.mark.extras
def test_share_against_scikit_learn_in_one_class():
    from sklearn.metrics import adjusted_mutual_info_score

    first, second, _ = draw(5, n=200, follow=0.4)
    expected = adjusted_mutual_info_score(first, second, average_method="min")
    one = conditional_dependence(first, second, np.zeros(200), draws=400, generator=np.random.default_rng(0))
    assert one.share == pytest.approx(expected, abs=0.01)


def test_independent_given_the_class():
    shares = [found(seed).share for seed in range(20)]
    assert abs(np.mean(shares)) < 0.005
    assert np.mean([found(seed, draws=40).p < 0.1 for seed in range(20)]) <= 0.25
    alike, _, label = draw(0)
    assert np.corrcoef(alike == label, draw(0)[1] == label)[0, 1] < 0.2  # nothing to do with how often they agree


def test_dependence_rises_to_one():
    rising = [found(follow=share) for share in (0.0, 0.3, 0.7, 1.0)]
    assert [one.share for one in rising] == sorted(one.share for one in rising)
    assert rising[-1].share == pytest.approx(1)
    assert rising[1].p == 1 / 101
    assert rising[0].p > 0.05


def test_what_numbers_the_classes_and_orders_the_rows_is_nothing():
    first, second, label = draw(2, follow=0.5)
    order = np.random.default_rng(3).permutation(len(label))
    one = conditional_dependence(first, second, label, draws=5, generator=np.random.default_rng(0))
    two = conditional_dependence(
        7 * first[order] - 9, second[order], 5 - label[order], draws=5, generator=np.random.default_rng(0)
    )
    assert one.information == pytest.approx(two.information)
    same = conditional_dependence(first, second, label, draws=5, generator=np.random.default_rng(0))
    assert one == same


def test_views_that_say_nothing_or_are_always_right():
    label = np.arange(30) % 3
    said = conditional_dependence(label, label, label, draws=5, generator=np.random.default_rng(0))
    assert said.information == 0
    assert math.isnan(said.share)
    assert said.p == 1
    with pytest.raises(ValueError, match="at least one image"):
        conditional_dependence(label[:0], label[:0], label[:0], generator=np.random.default_rng(0))
    with pytest.raises(ValueError, match="draws must be >= 1"):
        conditional_dependence(label, label, label, draws=0, generator=np.random.default_rng(0))
    with pytest.raises(ValueError, match="shapes must be equal"):
        conditional_dependence(label, label[1:], label, generator=np.random.default_rng(0))
