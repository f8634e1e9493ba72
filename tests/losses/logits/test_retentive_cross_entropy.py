import math

import numpy as np
import pytest
import torch

from modelheir.losses import cross_entropy, retentive_cross_entropy


def test_closed_form():
    new, old = torch.tensor([[3.0, 9.0, 9.0]]), torch.tensor([[0.0, 1.0, 2.0]])
    assert retentive_cross_entropy(new, old, torch.tensor([0])).item() == pytest.approx(0.4076, abs=5e-5)


def test_equals_a_loop(draw):
    new, old, labels = draw(7, 5), draw(7, 5), torch.arange(7) % 5

    def one(z, o, y):
        return -z[y] + math.log(math.exp(z[y]) + sum(math.exp(v) for c, v in enumerate(o) if c != y))

    rows = list(zip(new.tolist(), old.tolist(), labels.tolist(), strict=True))
    np.testing.assert_allclose(retentive_cross_entropy(new, old, labels), [one(z, o, y) for z, o, y in rows], rtol=1e-5)
    both = [one(z, o, y) + one(o, z, y) for z, o, y in rows]
    np.testing.assert_allclose(retentive_cross_entropy(new, old, labels, two_heads=True), both, rtol=1e-5)


def test_one_head_moves_only_the_label_logit(draw):
    new, old, labels = draw(3, 5).requires_grad_(), draw(3, 5), torch.tensor([1, 4, 0])
    (grad,) = torch.autograd.grad(retentive_cross_entropy(new, old, labels).sum(), new)
    assert ((grad != 0) == torch.nn.functional.one_hot(labels, 5).bool()).all()


def test_same_models_give_cross_entropy(draw):
    logits, labels = draw(7, 5), torch.arange(7) % 5
    torch.testing.assert_close(retentive_cross_entropy(logits, logits, labels), cross_entropy(logits, labels))


def test_unlabelled_images_count_as_zero(draw):
    assert retentive_cross_entropy(draw(1, 5), draw(1, 5), torch.tensor([-1]), two_heads=True).item() == 0


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="shapes must be equal"):
        retentive_cross_entropy(draw(3, 5), draw(3, 4), torch.zeros(3, dtype=torch.int64))
