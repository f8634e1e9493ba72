import numpy as np
import pytest
import torch

from modelheir.losses import cross_entropy, imitation, kl_distillation, new_error, strict_imitation
from modelheir.objective import old_correct


def test_equals_numpy(draw, log_softmax):
    new, old, labels = draw(7, 5), draw(7, 5), torch.tensor([0, 1, 2, 3, 4, 0, -1])
    log_q, p = log_softmax(new.numpy()), np.exp(log_softmax(old.numpy()))
    right = old.numpy().argmax(1) == labels.numpy()
    np.testing.assert_allclose(new_error(new, old, labels), np.where(right, -log_q[np.arange(7), labels], 0), rtol=1e-5)
    np.testing.assert_allclose(imitation(new, old), -(p * log_q).sum(1), rtol=1e-5)
    np.testing.assert_allclose(strict_imitation(new, old, labels), np.where(right, -(p * log_q).sum(1), 0), rtol=1e-5)


def test_new_error_is_the_naive_baseline(draw):
    new, old, labels = draw(7, 5), draw(7, 5), torch.arange(7) % 5
    weights = old_correct(old, labels, base=0.0, scale=1.0)
    torch.testing.assert_close(new_error(new, old, labels), weights * cross_entropy(new, labels))


def test_imitation_pulls_like_kl(draw):
    new, old = draw(7, 5).requires_grad_(), draw(7, 5)
    (a,) = torch.autograd.grad(imitation(new, old).sum(), new)
    (b,) = torch.autograd.grad(kl_distillation(new, old, temperature=1.0).sum(), new)
    torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="shapes must be equal"):
        new_error(draw(3, 5), draw(3, 4), torch.zeros(3, dtype=torch.int64))
