import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from modelheir.metrics.calibration import (
    brier_score,
    calibration_error,
    negative_log_likelihood,
    reliability_table,
)

N, C = 400, 3


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    label = rng.integers(0, C, N)
    p = softmax(rng.normal(size=(N, C)) * 2 + 1.5 * np.eye(C)[label], axis=1)
    return p, label


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_error_against_torchmetrics(data, bins):
    p, label = data
    expected = multiclass_calibration_error(torch.tensor(p), torch.tensor(label), num_classes=C, n_bins=bins)
    found = calibration_error(p.max(1), p.argmax(1) == label, bins=bins)
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_bins_of_equal_mass(data):
    p, label = data
    sure, right = p.max(1), p.argmax(1) == label
    rows = reliability_table(sure, right, bins=8, spacing="equal_mass")
    assert [row["n"] for row in rows] == [50] * 8
    order = np.argsort(sure)
    expected = np.mean([abs(sure[part].mean() - right[part].mean()) for part in np.split(order, 8)])
    assert calibration_error(sure, right, bins=8, spacing="equal_mass") == pytest.approx(expected)
    assert len(reliability_table(np.full(9, 0.5), np.ones(9), spacing="equal_mass")) == 1


def test_table_adds_up(data):
    p, label = data
    rows = reliability_table(p.max(1), p.argmax(1) == label)
    assert sum(row["n"] for row in rows) == N
    assert sum(row["n"] * row["accuracy"] for row in rows) == pytest.approx((p.argmax(1) == label).sum())
    assert [row["confidence"] for row in rows] == sorted(row["confidence"] for row in rows)
    assert reliability_table(np.array([0.0, 1.0]), np.array([0, 1]))[1]["accuracy"] == 1


def test_brier_and_nll(data):
    p, label = data
    expected = ((p - np.eye(C)[label]) ** 2).sum(1)
    np.testing.assert_allclose(brier_score(p, label), expected, atol=1e-12)
    own = p[np.arange(N), label]
    assert negative_log_likelihood(own).mean() == pytest.approx(log_loss(label, p))
    assert np.isfinite(negative_log_likelihood(np.array([0.0]))).all()
    assert brier_score(np.array([[0.5, 0.5]]), np.array([7])).tolist() == [1.5]  # a class the model does not know


def test_errors(data):
    p, _ = data
    with pytest.raises(ValueError, match="logits need a softmax"):
        calibration_error(p.max(1) + 1, p.max(1) > 0)
    with pytest.raises(ValueError, match="'equal_width' or 'equal_mass'"):
        calibration_error(p.max(1), p.max(1) > 0, spacing="even")
    with pytest.raises(ValueError, match="at least one image"):
        calibration_error(np.array([]), np.array([]))
    with pytest.raises(ValueError, match="bins must be >= 1"):
        calibration_error(p.max(1), p.max(1) > 0, bins=0)
