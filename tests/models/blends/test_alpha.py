import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.models.blends.alpha import AlphaScore, alpha_grid, choose_alpha, most_accurate, score_alphas


def test_grids():
    np.testing.assert_allclose(alpha_grid(), np.linspace(0, 1, 11))
    assert set(alpha_grid(fisher=True)) - set(alpha_grid()) == {0.85, 0.92, 0.94, 0.96, 0.98}
    assert list(alpha_grid(fisher=True)) == sorted(alpha_grid(fisher=True))


def test_scores_against_a_loop():
    rng = np.random.default_rng(0)
    labels, old = rng.integers(4, size=50), rng.integers(4, size=50)
    answers = {alpha: rng.integers(4, size=50) for alpha in (0.0, 0.5, 1.0)}
    for score in score_alphas([0.0, 0.5, 1.0], answers.__getitem__, old=old, labels=labels):
        new = answers[score.alpha]
        flips = sum(o == y and n != y for o, n, y in zip(old, new, labels, strict=True))
        assert score.nfr == pytest.approx(flips / 50)
        assert score.accuracy == pytest.approx(np.mean(new == labels))


def test_the_old_model_itself_never_flips_but_is_chosen_only_if_accurate_enough():
    scores = [AlphaScore(0.0, 0.9, 0.05), AlphaScore(0.6, 0.9, 0.03), AlphaScore(1.0, 0.89, 0.0)]
    assert choose_alpha(scores).alpha == 0.6
    assert choose_alpha(scores, tolerance=0.02).alpha == 1.0


def test_ties_go_to_accuracy_then_to_the_new_model():
    scores = [AlphaScore(0.0, 0.9, 0.02), AlphaScore(0.1, 0.92, 0.01), AlphaScore(0.2, 0.93, 0.01)]
    assert choose_alpha([*scores, AlphaScore(0.3, 0.93, 0.01)]).alpha == 0.2


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 1), st.floats(0, 1)), max_size=8), st.floats(0, 1))
def test_never_less_accurate_than_the_new_model_nor_more_flips(rest, accuracy):
    new = AlphaScore(0.0, accuracy, 0.5)
    chosen = choose_alpha([new, *(AlphaScore(*row) for row in rest)])
    assert chosen.accuracy >= new.accuracy
    assert chosen.nfr <= new.nfr


def test_the_new_model_must_be_among_them():
    with pytest.raises(ValueError, match="scores must hold alpha 0"):
        choose_alpha([AlphaScore(0.5, 1.0, 0.0)])


def test_without_images():
    with pytest.raises(ValueError, match="images must be >= 1"):
        score_alphas([0.0], lambda alpha: np.zeros(0), old=np.zeros(0), labels=np.zeros(0))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 4)), min_size=1, max_size=8))
def test_the_most_accurate_is_the_highest_and_of_equal_ones_the_smallest_weight(rows):
    scores = [AlphaScore(alpha / 10, accuracy / 4, 0.0) for alpha, accuracy in rows]
    best = most_accurate(scores)
    assert best.accuracy == max(accuracy for _, accuracy in rows) / 4
    assert best.alpha == min(one.alpha for one in scores if one.accuracy == best.accuracy)


def test_without_scores_nothing_is_the_most_accurate():
    with pytest.raises(ValueError, match="scores must be >= 1"):
        most_accurate([])
