"""Labels that a model is sure of, against NumPy, at the threshold, in half precision."""

import numpy as np
import pytest
import torch

from modelheir.losses import confident_labels, cross_entropy


def test_equals_numpy(draw, log_softmax):
    logits = draw(50, 5, scale=2.0)
    p = np.exp(log_softmax(logits.numpy()))
    expected = np.where(p.max(1) >= 0.6, p.argmax(1), -1)
    found = confident_labels(logits, threshold=0.6)
    assert found.tolist() == expected.tolist()
    assert 5 < (found >= 0).sum() < 45


def test_an_image_at_the_threshold_is_labelled():
    even = torch.zeros(2, 4)
    assert confident_labels(even, threshold=0.25).tolist() == [0, 0]
    assert confident_labels(even, threshold=0.26).tolist() == [-1, -1]
    assert confident_labels(even, threshold=0.0).tolist() == [0, 0]


def test_with_cross_entropy_it_is_the_loss_of_fixmatch(draw, log_softmax):
    """By hand: over all images of the batch, those that are not sure as 0."""
    weak, strong = draw(9, 4, scale=2.0), draw(9, 4)
    p, q = np.exp(log_softmax(weak.numpy())), log_softmax(strong.numpy())
    expected = sum(-q[n, p[n].argmax()] for n in range(9) if p[n].max() >= 0.7) / 9
    found = cross_entropy(strong, confident_labels(weak, threshold=0.7)).mean()
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_nothing_flows_back_and_a_row_may_be_shifted(draw):
    logits = draw(6, 3).requires_grad_()
    found = confident_labels(logits, threshold=0.4)
    assert not found.requires_grad
    assert found.tolist() == confident_labels(logits + 7, threshold=0.4).tolist()


def test_half_precision_is_widened():
    logits = torch.tensor([[60.0, -60.0], [-60.0, 60.0]], dtype=torch.float16)
    assert confident_labels(logits, threshold=1.0).tolist() == [0, 1]


def test_what_is_out_of_range_is_refused(draw):
    with pytest.raises(ValueError, match="threshold"):
        confident_labels(draw(2, 3), threshold=1.1)
    with pytest.raises(ValueError, match="logits"):
        confident_labels(draw(3), threshold=0.5)
