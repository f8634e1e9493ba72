import numpy as np
import pytest
import torch
from scipy.special import softmax

from modelheir.losses import imitation, kl_distillation, teacher_cross_entropy

NEW = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]], dtype=torch.float64)
OLD = torch.tensor([[3.0, 2.0, 1.0], [0.0, 0.5, -0.5]], dtype=torch.float64)


def test_known_value_is_kl_plus_entropy():
    assert teacher_cross_entropy(NEW, OLD).mean().item() == pytest.approx(1.7416150254, abs=1e-9)
    p = OLD.softmax(1)
    assert -(p * p.log()).sum(1).mean().item() == pytest.approx(0.9262934593, abs=1e-9)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_equals_the_plain_sum(draw, temperature):
    new, old = draw(7, 5), draw(7, 5)
    p, q = (softmax(z.double().numpy() / temperature, axis=1) for z in (old, new))
    wanted = -(p * np.log(q)).sum(1) * temperature**2
    np.testing.assert_allclose(teacher_cross_entropy(new, old, temperature=temperature), wanted, rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_gradient_is_that_of_kl(draw, temperature):
    grads = []
    for loss in (teacher_cross_entropy, kl_distillation):
        new, old = draw(7, 5, dtype=torch.float64), OLD.repeat(4, 2)[:7, :5]
        new = torch.linspace(-2, 3, 35, dtype=torch.float64).reshape(7, 5).requires_grad_()
        loss(new, old, temperature=temperature).sum().backward()
        grads.append(new.grad)
    torch.testing.assert_close(*grads)


def test_a_teacher_that_answers_evenly_leaves_the_logarithm_of_the_classes(draw):
    new = torch.zeros(7, 5, requires_grad=True)
    value = teacher_cross_entropy(new, torch.full((7, 5), 3.0))
    value.sum().backward()
    torch.testing.assert_close(value, torch.full((7,), np.log(5), dtype=torch.float32))
    torch.testing.assert_close(new.grad, torch.zeros(7, 5), atol=1e-7, rtol=0)
    assert (teacher_cross_entropy(draw(7, 5), torch.zeros(7, 5)) > np.log(5)).all()


def test_imitation_is_the_same_at_temperature_one(draw):
    new, old = draw(7, 5), draw(7, 5)
    assert torch.equal(imitation(new, old), teacher_cross_entropy(new, old))


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="temperature must be > 0, got 0"):
        teacher_cross_entropy(draw(2, 3), draw(2, 3), temperature=0)
    with pytest.raises(ValueError, match="shapes must be equal"):
        teacher_cross_entropy(draw(2, 3), draw(2, 2))
