import numpy as np
import pytest
from scipy.special import log_softmax as scipy_log_softmax
from scipy.special import softmax as oracle

from modelheir.metrics.confidence import label_confidence, label_confidence_drop, log_softmax, max_confidence, softmax

N, C = 6, 4


def test_against_scipy_also_for_huge_logits():
    logits = np.random.default_rng(0).normal(size=(N, C)).astype(np.float32)
    np.testing.assert_allclose(softmax(logits), oracle(logits.astype(np.float64), axis=1))
    np.testing.assert_allclose(softmax(logits + 5000), softmax(logits), atol=1e-3)
    assert softmax(np.array([[-np.inf, 0.0]])).tolist() == [[0, 1]]


def test_values_at_the_top_and_at_the_label():
    p = np.array([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])
    assert max_confidence(p).tolist() == [0.5, 0.9]
    assert label_confidence(p, np.array([2, 0])).tolist() == [0.3, 0.9]
    assert label_confidence(p, np.array([7, 1])).tolist() == [0.0, 0.1]  # a class the model does not know
    np.testing.assert_allclose(label_confidence_drop(p, p[::-1], np.array([0, 0])), [-0.7, 0.7])
    with pytest.raises(ValueError, match="unlabelled"):
        label_confidence(p, np.array([-1, 0]))
    with pytest.raises(ValueError, match=r"two dimensions \(N, C\)"):
        softmax(np.zeros(3))


def test_the_input_stays_as_it_was_and_the_result_is_precise():
    logits = np.array([[1.0, 3.0]], np.float32)
    found = softmax(logits)
    assert found.dtype == np.float64
    assert logits.tolist() == [[1.0, 3.0]]
    assert found[0, 1] == pytest.approx(1 / (1 + np.exp(-2.0)), rel=1e-12)
    assert label_confidence(found, np.array([0])) == [found[0, 0]]


def test_rows_of_other_magnitudes_do_not_meet():
    assert softmax(np.array([[0.0, 0.0], [-5000.0, -5000.0]])).tolist() == [[0.5, 0.5]] * 2


def test_log_softmax_against_scipy_and_where_a_probability_is_nothing():
    logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32) * 50
    np.testing.assert_allclose(log_softmax(logits), scipy_log_softmax(logits.astype(float), axis=1), rtol=1e-12)
    np.testing.assert_allclose(np.exp(log_softmax(logits)), softmax(logits), atol=1e-15)
    assert log_softmax(np.array([[0.0, -5000.0]], np.float32)).tolist() == [[0.0, -5000.0]]
    with pytest.raises(ValueError, match="two dimensions"):
        log_softmax(np.zeros(3))
