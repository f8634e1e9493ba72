import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.data.label_noise import noisy_labels


@given(st.integers(2, 12), st.floats(0, 1), st.integers(0, 2**20), st.lists(st.integers(-1, 11), max_size=60))
def test_the_share_is_exact_and_no_replaced_label_is_right(classes, share, seed, labels):
    labels = np.minimum(np.array(labels, dtype=np.int64), classes - 1)
    found = noisy_labels(labels, share, classes=classes, seed=seed)
    known = labels >= 0
    assert (found != labels).sum() == round(share * known.sum())
    assert ((found >= 0) == known).all()
    assert (found < classes).all()


def test_every_other_class_is_as_likely_wherever_the_label_stands():
    labels = np.repeat(np.arange(5), 4000)
    found = noisy_labels(labels, 0.5, classes=5, seed=0)
    counts = np.array([[((labels == one) & (found == two)).sum() for two in range(5)] for one in range(5)])
    assert np.allclose(counts.diagonal() / 4000, 0.5, atol=0.03)
    assert np.allclose(counts[~np.eye(5, dtype=bool)] / 4000, 0.125, atol=0.02)
    assert abs((found != labels)[:10_000].mean() - 0.5) < 0.03  # not the first ones


def test_errors():
    with pytest.raises(ValueError, match="share"):
        noisy_labels(np.array([0]), 1.5, classes=2, seed=0)
    with pytest.raises(ValueError, match="classes"):
        noisy_labels(np.array([0]), 0.5, classes=1, seed=0)


def test_training_labels_alone_are_changed():
    clean = open_splits("digits", InputConfig())
    noisy = open_splits("digits", InputConfig(label_noise=0.2))
    wrong = clean["train"].labels != noisy["train"].labels
    assert wrong.sum() == round(0.2 * len(wrong))
    assert (clean["val"].labels == noisy["val"].labels).all()
    assert (clean["test"].labels == noisy["test"].labels).all()
    other = open_splits("digits", dataclasses.replace(InputConfig(label_noise=0.2), split_seed=1))
    assert not np.array_equal(np.sort(other["train"].ids), np.sort(noisy["train"].ids))
