import numpy as np
import pytest
from scipy.special import softmax

from modelheir.metrics.graded_flips import graded_flip_rate, large_flips, near_flips, score_flips

N, C = 50, 4


def test_graded_rates_against_a_loop():
    rng = np.random.default_rng(0)
    label = rng.integers(0, C, N)
    p_old, p_new = (softmax(rng.normal(size=(N, C)) * 2, axis=1) for _ in range(2))
    old, new = p_old.argmax(1), p_new.argmax(1)
    lost, won = (old == label) & (new != label), (old != label) & (new == label)
    assert lost.any()
    assert won.any()
    at = np.arange(N), label
    expected = sum(p_new[i].max() - p_new[i, label[i]] for i in range(N) if lost[i]) / N
    assert graded_flip_rate(lost, p_new.max(1), p_new[at]) == pytest.approx(expected)
    expected = sum(p_old[i].max() - p_old[i, label[i]] for i in range(N) if won[i]) / N
    assert graded_flip_rate(won, p_old.max(1), p_old[at]) == pytest.approx(expected)
    assert graded_flip_rate(lost, p_new.max(1), p_new[at]) <= lost.mean()


def test_type_one_and_two():
    flips = np.array([True, True, True, True, False])
    drop = np.array([0.1, -0.1, 0.5, -0.6, 0.0])
    assert near_flips(flips, drop).tolist() == [True, True, False, False, False]
    assert large_flips(flips, drop).tolist() == [False, False, True, True, False]
    assert near_flips(flips, drop, threshold=0.5).sum() == 3
    with pytest.raises(ValueError, match="threshold must be from 0 to 1, got 2"):
        near_flips(flips, drop, threshold=2)


def test_scores_without_any_change():
    same = np.array([0.5, 1.0])
    assert score_flips(same, same) == {"nfr": 0, "pfr": 0, "regression": 0, "gain": 0}
    with pytest.raises(ValueError, match="at least one"):
        score_flips(np.array([]), np.array([]))


def test_binary_scores_are_ordinary_flips(worked):
    from modelheir.metrics.flips import flip_rates

    old, new, label = worked
    found = score_flips((old == label) * 1.0, (new == label) * 1.0)
    assert (found["nfr"], found["pfr"]) == (flip_rates(*worked)["nfr"], flip_rates(*worked)["pfr"])


def test_scores_by_hand():
    old, new = np.array([0.5, 0.5, 0.5, 1.0]), np.array([0.25, 0.5, 0.75, 0.0])
    assert score_flips(old, new) == {"nfr": 0.5, "pfr": 0.25, "regression": 0.625, "gain": 0.25}
    assert score_flips([1, 1], [0, 1]) == {"nfr": 0.5, "pfr": 0.0, "regression": 1.0, "gain": 0.0}
    assert score_flips([0, 1], [1, 1]) == {"nfr": 0.0, "pfr": 0.5, "regression": 0.0, "gain": 1.0}


def test_a_graded_rate_by_hand():
    assert graded_flip_rate([1, 0, 1, 0], [0.75, 0.75, 0.5, 0.5], [0.25, 0.0, 0.25, 0.0]) == 0.75 / 4
    flips, drop = np.array([True, True]), np.array([0.5, -0.5])
    assert near_flips(flips, drop, threshold=0.5).all()
    assert large_flips(flips, drop, threshold=0.5).all()
