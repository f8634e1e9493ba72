"""Confusion counts, precision, recall and F1 against scikit-learn, and the most frequent mistake against a loop."""

import numpy as np
import pytest

from modelheir.metrics import confusion as module
from modelheir.metrics.confusion import class_scores, confused_with, confusion


def drawn(seed, n, classes):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, n)
    return label, np.where(rng.random(n) < 0.6, label, rng.integers(0, classes, n))


@pytest.fixture(params=["table of all pairs", "pairs that occur"])
def way(request, monkeypatch):
    if request.param == "pairs that occur":
        monkeypatch.setattr(module, "_DENSE", 0)


@pytest.mark.extras
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("n", "classes"), [(1, 3), (40, 7), (500, 4), (30, 60)])
def test_counts_and_scores_are_those_of_scikit_learn(n, classes):
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    label, prediction = drawn(n, n, classes)
    cells = confusion(label, prediction, classes=classes)
    table = np.zeros((classes, classes), int)
    table[cells.label, cells.prediction] = cells.n
    assert (table == confusion_matrix(label, prediction, labels=range(classes))).all()
    assert (cells.n > 0).all()
    assert (np.diff(cells.label * classes + cells.prediction) > 0).all()
    expected = precision_recall_fscore_support(label, prediction, labels=range(classes), zero_division=np.nan)
    for found, wanted in zip(class_scores(cells, classes=classes), expected[:3], strict=True):
        np.testing.assert_allclose(found, wanted)


@pytest.mark.parametrize(("n", "classes"), [(1, 3), (40, 7), (500, 4), (30, 60)])
def test_the_most_frequent_mistake_by_a_loop(n, classes):
    label, prediction = drawn(n + 1, n, classes)
    other, count = confused_with(confusion(label, prediction, classes=classes), classes=classes)
    for own in range(classes):
        mistakes = [list(prediction[label == own]).count(k) if k != own else 0 for k in range(classes)]
        assert count[own] == max(mistakes)
        assert other[own] == (mistakes.index(max(mistakes)) if max(mistakes) else -1)


def test_what_is_not_defined_is_nan():
    scores = class_scores(confusion(np.array([0]), np.array([1]), classes=3), classes=3)
    np.testing.assert_array_equal(scores.precision, [np.nan, 0, np.nan])
    np.testing.assert_array_equal(scores.recall, [0, np.nan, np.nan])
    np.testing.assert_array_equal(scores.f1, [0, 0, np.nan])


def test_many_classes_need_no_table_of_all_pairs():
    label = np.array([0, 99_999, 99_999])
    cells = confusion(label, label[::-1], classes=100_000)  # all pairs would take 80 GB
    assert [part.tolist() for part in cells] == [[0, 99_999, 99_999], [99_999, 0, 99_999], [1, 1, 1]]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="label"):
        confusion(np.array([0, 1]), np.array([0]), classes=2)
