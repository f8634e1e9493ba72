import numpy as np
import pytest

from modelheir.metrics.accuracy import accuracy, in_top_k, top_k_accuracy

N, C = 11, 7


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, C)), np.append(np.arange(C), rng.integers(0, C, N - C))


@pytest.mark.extras
@pytest.mark.parametrize("k", [1, 2, 5, 7])
def test_against_scikit_learn(data, k):
    from sklearn.metrics import accuracy_score, top_k_accuracy_score

    scores, label = data
    if k < C:
        assert top_k_accuracy(scores, label, k=k) == pytest.approx(
            top_k_accuracy_score(label, scores, k=k, labels=np.arange(C))
        )
    else:
        assert top_k_accuracy(scores, label, k=k) == 1
    assert accuracy(scores.argmax(1), label) == accuracy_score(label, scores.argmax(1))


def test_ties_go_to_the_lower_number_as_in_argmax():
    scores = np.ones((3, 3))
    assert in_top_k(scores, np.array([0, 1, 2]), k=2).tolist() == [True, True, False]
    assert top_k_accuracy(scores, np.array([0, 1, 2]), k=1) == accuracy(scores.argmax(1), [0, 1, 2])


def test_a_class_without_score_is_never_found():
    assert in_top_k(np.eye(2), np.array([5, -1]), k=2).tolist() == [False, False]


def test_errors(data):
    with pytest.raises(ValueError, match="k must be from 1 to 7, got 8"):
        top_k_accuracy(*data, k=8)
    with pytest.raises(ValueError, match="at least one image"):
        accuracy([], [])


def test_a_class_that_the_model_does_not_know_is_never_found():
    scores = np.array([[2.0, 1.0, -1000.0, -1000.0, -1000.0, -1000.0, -1000.0]] * 3)
    assert in_top_k(scores, np.array([1, 2, 6]), k=5).tolist() == [True, False, False]


def test_rows_of_other_magnitudes_do_not_meet():
    scores = np.array([[0.0, 1.0], [-5000.0, -5001.0]])
    assert in_top_k(scores, np.array([1, 0]), k=1).tolist() == [True, True]
    assert in_top_k(scores, np.array([1, 1]), k=2).tolist() == [True, True]


def test_a_model_of_one_class_finds_no_other():
    assert in_top_k(np.zeros((3, 1)), np.array([0, 1, -1]), k=1).tolist() == [True, False, False]


def test_an_unknown_class_begins_where_a_score_lies_a_gap_below_the_best():
    scores = np.array([[0.0, -998.0], [0.0, -999.5]])
    assert in_top_k(scores, np.array([1, 1]), k=2).tolist() == [True, False]
