import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax

from modelheir.losses import kl_distillation, teacher_preserving


def target(q, p):
    """The target of one image."""
    k = p.argmax()
    if q.argmax() != k or q[k] <= p[k]:
        return p
    kept = p * (1 - q[k]) / (1 - p[k])
    kept[k] = q[k]
    return kept


@given(seed=st.integers(0, 2**16), temperature=st.sampled_from([1.0, 4.0]))
@settings(max_examples=25, deadline=None)
def test_equals_a_loop(seed, temperature):
    rng = np.random.default_rng(seed)
    old = rng.normal(size=(9, 4))
    new = old * rng.uniform(0.2, 3, (9, 1)) + rng.normal(size=(9, 4)) * 0.3
    q, p = softmax(new / temperature, axis=1), softmax(old / temperature, axis=1)
    wanted = [rel_entr(target(q[n], p[n]), q[n]).sum() * temperature**2 for n in range(9)]
    value = teacher_preserving(torch.tensor(new), torch.tensor(old), temperature=temperature)
    np.testing.assert_allclose(value, wanted, rtol=1e-6, atol=1e-10)


def test_a_surer_and_agreeing_image_is_not_pulled_down():
    old, new = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[4.0, 1.0, 0.0]], requires_grad=True)
    teacher_preserving(new, old, temperature=1.0).sum().backward()
    assert new.grad is not None
    assert new.grad[0, 0].item() == pytest.approx(0, abs=1e-6)
    assert new.grad[0, 1] > 0.01  # the others are to be equal
    new.grad = None
    kl_distillation(new, old, temperature=1.0).sum().backward()
    assert new.grad[0, 0] > 0.01


@pytest.mark.parametrize("new", [[1.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
def test_a_less_sure_or_disagreeing_image_is_plain_kl(new):
    new, old = torch.tensor([new]), torch.tensor([[2.0, 0.0, 0.5]])
    torch.testing.assert_close(teacher_preserving(new, old), kl_distillation(new, old, temperature=4.0))


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_certain_models_are_finite(classes):
    old = torch.zeros(1, classes)
    old[0, 0] = 200.0
    new = (2 * old).requires_grad_()
    value = teacher_preserving(new, old, temperature=1.0)
    value.sum().backward()
    torch.testing.assert_close(value, torch.zeros(1), atol=1e-6, rtol=0)
    assert new.grad is not None
    assert new.grad.isfinite().all()


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="temperature must be > 0"):
        teacher_preserving(draw(2, 3), draw(2, 3), temperature=0)
    with pytest.raises(ValueError, match="shapes must be equal"):
        teacher_preserving(draw(2, 3), draw(2, 2))
