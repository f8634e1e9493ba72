import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from modelheir.metrics.calibration import (
    TEMPERATURES,
    brier_score,
    calibration_error,
    fit_temperature,
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


@pytest.mark.extras
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_error_against_torchmetrics(data, bins):
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

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


@pytest.mark.extras
def test_brier_and_nll(data):
    from sklearn.metrics import log_loss

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


def counts(confidence, **settings):
    return [row["n"] for row in reliability_table(np.array(confidence), np.zeros(len(confidence)), **settings)]


def test_a_value_on_an_edge_belongs_to_the_bin_below():
    edges = np.arange(1, 8) / 8  # exact in binary
    up, down = np.nextafter(edges, 1), np.nextafter(edges, 0)
    assert counts(np.concatenate([edges, down]), bins=8) == [2] * 7
    found = reliability_table(np.concatenate([edges, up]), np.r_[np.zeros(7), np.ones(7)], bins=8)
    assert [row["n"] for row in found] == [1, 2, 2, 2, 2, 2, 2, 1]
    assert [row["accuracy"] for row in found] == [0.0, *[0.5] * 6, 1.0]
    assert [row["confidence"] for row in found[1:7]] == pytest.approx((edges[:-1] + edges[1:]) / 2)


def test_the_first_and_the_last_bin_hold_the_ends():
    assert counts([0.0, 1e-9, 0.25, 0.75, 0.7500001, 1.0, 1.0 + 5e-7], bins=4) == [3, 1, 3]
    assert counts([0.0, 1.0], bins=1) == [2]
    assert counts([0.0, 1.0]) == [1, 1]
    assert counts([k / 15 - 1e-9 for k in range(1, 16)]) == [1] * 15  # fifteen bins where nothing is said
    assert counts([1 + 1e-6]) == [1]
    for beyond in (1 + 2e-6, -1e-9, float("nan")):
        with pytest.raises(ValueError, match="probability from 0 to 1"):
            counts([0.5, beyond])


def test_edges_of_equal_mass():
    assert counts([0.1, 0.2, 0.3, 0.4, 0.5], bins=2, spacing="equal_mass") == [2, 3]
    assert counts([0.5, 0.3, 0.1, 0.4, 0.2, 0.6, 0.7], bins=3, spacing="equal_mass") == [2, 2, 3]
    assert counts([0.1, 0.2, 0.2, 0.2, 0.3, 0.4], bins=3, spacing="equal_mass") == [
        1,
        3,
        2,
    ]  # equal values stay together
    assert counts([0.1, 0.9], bins=5, spacing="equal_mass") == [1, 1]


def test_likelihood_is_held_where_a_probability_is_nothing():
    found = negative_log_likelihood(np.array([0.0, 1e-310, 1e-299, 1.0 + 1e-9]))
    assert found[:2] == pytest.approx([300 * np.log(10)] * 2)
    assert found[2] == pytest.approx(299 * np.log(10))
    assert found[3] == 0
    assert not np.signbit(found[3])


def test_brier_score_of_a_negative_label_is_that_of_an_unknown_class():
    p = np.array([[0.5, 0.25, 0.25]])
    assert brier_score(p, np.array([-1])) == brier_score(p, np.array([3])) == [0.375 + 1]
    assert brier_score(p, np.array([0])) == [0.375 + 1 - 1]
    assert (brier_score(np.eye(3), np.arange(3)) == 0).all()


def drawn(temperature, n=20_000, seed=0):
    """Logits of a model that is calibrated at the temperature, with labels drawn from it."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(n, C))
    sums = softmax(logits, axis=1).cumsum(axis=1)
    label = (generator.random((n, 1)) > sums).sum(axis=1).clip(0, C - 1)
    return temperature * logits, label


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_a_known_temperature_is_found_and_calibrates(temperature):
    logits, label = drawn(temperature)
    found = fit_temperature(logits, label)
    assert found == pytest.approx(temperature, rel=0.02)
    p = softmax(logits / found, axis=1)
    assert (p.argmax(1) == logits.argmax(1)).all()
    assert calibration_error(p.max(1), p.argmax(1) == label, bins=25) < 0.02
    before = softmax(logits, axis=1)
    if temperature != 1:
        assert calibration_error(before.max(1), before.argmax(1) == label, bins=25) > 0.05


def test_the_temperature_has_the_least_likelihood_loss_of_all():
    logits, label = drawn(2.0, n=300)
    rows = np.arange(len(label))

    def loss(t):
        return -np.log(softmax(logits / t, axis=1)[rows, label]).mean()

    wide = minimize_scalar(loss, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-8}).x
    assert fit_temperature(logits, label) == pytest.approx(wide, rel=1e-5)
    assert fit_temperature(logits + 5 * rows[:, None], label) == pytest.approx(wide, rel=1e-5)  # a constant a row
    assert fit_temperature(10 * logits, label) == pytest.approx(10 * wide, rel=1e-5)


def test_no_least_loss_is_the_end_of_the_range():
    logits, _ = drawn(1.0, n=50)
    assert fit_temperature(logits, logits.argmax(1)) == TEMPERATURES[0]
    assert fit_temperature(logits, logits.argmin(1)) == TEMPERATURES[1]
    assert fit_temperature(np.zeros((4, C)), np.zeros(4, int)) in TEMPERATURES


def test_temperatures_that_cannot_be_fitted():
    logits, label = drawn(1.0, n=5)
    with pytest.raises(ValueError, match="at least one image"):
        fit_temperature(logits[:0], label[:0])
    with pytest.raises(ValueError, match="labels must have shape"):
        fit_temperature(logits, label[:2])
    for wrong in (-1, C):
        with pytest.raises(ValueError, match="label must be from 0 to 2"):
            fit_temperature(logits, np.where(np.arange(5) == 2, wrong, label))
    with pytest.raises(ValueError, match="logits must be finite"):
        fit_temperature(logits * np.inf, label)
