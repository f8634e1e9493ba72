import pytest
import torch

from modelheir.losses import cross_entropy, margin_calibration

IS_NEW = torch.tensor([False, False, True])


def test_only_new_classes_move(draw):
    logits = draw(4, 3)
    torch.testing.assert_close(margin_calibration(logits, IS_NEW, bias=2.0) - logits, 2.0 * IS_NEW.expand(4, 3))
    assert torch.equal(margin_calibration(logits, IS_NEW, bias=0.0), logits)


def test_training_through_it_lowers_new_classes():
    logits = torch.zeros(2, 3, requires_grad=True)
    labels = torch.tensor([0, 2])
    for _ in range(200):
        (grad,) = torch.autograd.grad(cross_entropy(margin_calibration(logits, IS_NEW, bias=2.0), labels).sum(), logits)
        logits = (logits - 0.05 * grad).detach().requires_grad_()
    margin_of_old, margin_of_new = logits[0, 0] - logits[0, 2], logits[1, 2] - logits[1, 0]
    assert margin_of_old > margin_of_new + 1


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"is_new must have shape \(3,\), one a class, got \(2,\)"):
        margin_calibration(draw(4, 3), IS_NEW[:2])
    with pytest.raises(ValueError, match="bias must be >= 0"):
        margin_calibration(draw(4, 3), IS_NEW, bias=-1)
