import numpy as np
import pytest
import torch
from torch.nn import functional

from modelheir.losses import cross_entropy, soft_cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_the_formula(draw, log_softmax, smoothing):
    logits, targets = draw(7, 5), torch.softmax(draw(7, 5), dim=1)
    mixed = (1 - smoothing) * targets.numpy() + smoothing / 5
    wanted = -(mixed * log_softmax(logits.numpy())).sum(1)
    np.testing.assert_allclose(soft_cross_entropy(logits, targets, label_smoothing=smoothing), wanted, rtol=1e-5)


def test_one_hot_target_equals_its_label(draw):
    logits, labels = draw(7, 5), torch.tensor([0, 1, 2, 3, 4, 0, 1])
    torch.testing.assert_close(
        soft_cross_entropy(logits, functional.one_hot(labels, 5), label_smoothing=0.2),
        cross_entropy(logits, labels, label_smoothing=0.2),
    )


def test_targets_get_no_gradient(draw):
    logits, targets = draw(3, 5).requires_grad_(), torch.softmax(draw(3, 5), dim=1).requires_grad_()
    soft_cross_entropy(logits, targets).sum().backward()
    assert targets.grad is None


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="targets must have two dimensions"):
        soft_cross_entropy(draw(3, 5), torch.zeros(3))
