import numpy as np
import pytest
import torch

from modelheir.losses import cross_entropy
from modelheir.objective import old_correct


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_equals_the_formula(draw, log_softmax, smoothing):
    logits, labels = draw(7, 5), torch.tensor([0, 1, 2, 3, 4, 0, 1])
    log_p = log_softmax(logits.numpy())
    wanted = -(1 - smoothing) * log_p[np.arange(7), labels] - smoothing * log_p.mean(1)
    got = cross_entropy(logits, labels, label_smoothing=smoothing)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_unlabelled_images_count_as_zero(draw):
    logits = draw(3, 5).requires_grad_()
    value = cross_entropy(logits, torch.tensor([-1, 2, -1]), label_smoothing=0.1)
    value.sum().backward()
    assert value[0] == value[2] == 0
    assert logits.grad is not None
    assert logits.grad[[0, 2]].eq(0).all()


def test_naive_baseline_is_a_heavier_weight_where_the_old_model_is_right(draw):
    new, old, labels = draw(7, 5), draw(7, 5), torch.tensor([0, 1, 2, 3, 4, 0, 1])
    plain = cross_entropy(new, labels)
    added = plain + 3.0 * old_correct(old, labels, base=0.0, scale=1.0) * plain
    right = old.argmax(1) == labels
    torch.testing.assert_close(added, plain * torch.where(right, 4.0, 1.0))


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"labels must have shape \(3,\)"):
        cross_entropy(draw(3, 5), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="label_smoothing must be from 0 to 1"):
        cross_entropy(draw(3, 5), torch.zeros(3, dtype=torch.int64), label_smoothing=1.5)


def test_value_of_the_distillation_specification():
    new = torch.tensor([[1, 2, 3], [0.5, -1, 0.25]], dtype=torch.float64)
    assert cross_entropy(new, torch.tensor([2, 0])).mean().item() == pytest.approx(0.5508590754, abs=1e-9)
