"""Metrics of predictions against scikit-learn, and their edges."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score

from modelheir.engine.evaluate import summarise
from modelheir.types import Predictions


def predictions(logits, label):
    logits = np.asarray(logits, np.float32)
    ids = np.array([f"s{i}" for i in range(len(label))])
    return Predictions(ids, np.asarray(label), logits.argmax(1), logits=logits)


def test_summary_is_scikit_learns():
    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(70_001, 7)), rng.integers(0, 7, 70_001)  # over one block
    found = summarise(predictions(logits, label))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found["accuracy"] == pytest.approx(accuracy_score(label, logits.argmax(1)), abs=1e-12)
    assert found["loss"] == pytest.approx(log_loss(label, probabilities), rel=1e-6)
    assert found["top5"] == pytest.approx(top_k_accuracy_score(label, logits, k=5), abs=1e-12)


def test_unlabelled_samples_do_not_count_and_five_classes_have_no_top5():
    assert summarise(predictions(np.eye(5), [-1] * 5)) == {}
    found = summarise(predictions(np.eye(5), [0, 1, 3, -1, -1]))
    assert set(found) == {"accuracy", "loss"}
    assert found["accuracy"] == pytest.approx(2 / 3)
