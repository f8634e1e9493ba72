"""Confident learning against a loop; what order and labels change; what is never left without a label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.selection.doubtful_labels import doubtful_labels, likely_classes, without_last


def drawn(seed, count=40, classes=4):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, 0.7), size=count), rng.integers(0, classes, count)


def by_hand(p, labels):
    """Rows of the confident joint off its diagonal, one at a time; cleanlab 2.9 gives the same rows."""
    thresholds = {k: np.mean([p[n, k] for n in range(len(p)) if labels[n] == k]) for k in set(labels.tolist())}
    found = []
    for n in range(len(p)):
        likely = [k for k, least in thresholds.items() if p[n, k] >= least - 1e-6]
        best = max(likely, key=lambda k: p[n, k], default=labels[n])
        if best != labels[n] and p[n, labels[n]] < p[n].max():
            found.append(n)
    return sorted(found, key=lambda n: p[n, labels[n]])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(3, 50))
def test_equals_the_loop(seed, classes, count):
    p, labels = drawn(seed, count, classes)
    assert doubtful_labels(p, labels).tolist() == by_hand(p, labels)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_the_order_of_images_and_the_names_of_classes_change_nothing(seed):
    p, labels = drawn(seed)
    order, classes = np.random.default_rng(seed + 1).permutation(len(p)), np.array([2, 0, 3, 1])
    found = set(doubtful_labels(p, labels).tolist())
    assert {int(order[row]) for row in doubtful_labels(p[order], labels[order])} == found
    renamed = np.empty_like(p)
    renamed[:, classes] = p
    assert set(doubtful_labels(renamed, classes[labels]).tolist()) == found


def test_what_every_image_says_of_itself_is_not_doubtful():
    labels = np.array([0, 1, 2, 0, 1])
    assert doubtful_labels(np.eye(3)[labels], labels).tolist() == []
    assert likely_classes(np.eye(3)[labels], labels).tolist() == labels.tolist()
    assert doubtful_labels(np.full((5, 3), 1 / 3), labels).tolist() == []


def test_a_class_without_a_label_and_no_image_at_all():
    p = np.array([[0.1, 0.0, 0.9], [0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    assert likely_classes(p, np.array([0, 0, 1])).tolist() == [-1, 0, 1]
    assert doubtful_labels(np.empty((0, 3)), np.empty(0, int)).tolist() == []


def test_planted_errors_come_first():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 30)
    p = np.full((90, 3), 0.1)
    p[np.arange(90), truth] = 0.8
    labels, wrong = truth.copy(), rng.permutation(90)[:9]
    labels[wrong] = (labels[wrong] + 1) % 3
    assert set(doubtful_labels(p, labels).tolist()) == set(wrong.tolist())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_every_class_keeps_a_label(seed, count):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    rows = rng.permutation(count)
    gone = without_last(rows, labels)
    left = np.delete(labels, gone)
    assert set(left.tolist()) == set(labels.tolist())
    assert len(gone) == count - len(set(labels.tolist()))  # all were doubtful, so one of each is what stays
    stays = {labels[row]: row for row in rows}  # the last of each class in the order of doubt
    assert sorted(stays.values()) == sorted(set(range(count)) - set(gone.tolist()))


def test_refusals():
    with pytest.raises(ValueError, match="labels must be from 0 to 1, got 0 to 2"):
        likely_classes(np.ones((2, 2)) / 2, np.array([0, 2]))
    with pytest.raises(ValueError, match="labels must be from 0 to 1, got -1 to 0"):
        doubtful_labels(np.ones((2, 2)) / 2, np.array([0, -1]))
    with pytest.raises(ValueError, match="probabilities has 3, labels has 2"):
        likely_classes(np.ones((3, 2)) / 2, np.array([0, 1]))
