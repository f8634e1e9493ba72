import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax

from modelheir.losses import kl_distillation

OLD, NEW = torch.tensor([[1.0, 0.0, 0.0]]), torch.zeros(1, 3)


@pytest.mark.parametrize(("temperature", "value"), [(1, 0.12328), (5, 0.11565), (100, 0.111357), (1e4, 1 / 9)])
def test_closed_form(temperature, value):
    assert kl_distillation(NEW, OLD, temperature=temperature).item() == pytest.approx(value, abs=6e-6)


def test_known_value_of_hintons_distillation():
    new = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]], dtype=torch.float64)
    old = torch.tensor([[3.0, 2.0, 1.0], [0.0, 0.5, -0.5]], dtype=torch.float64)
    assert kl_distillation(new, old, temperature=4.0).mean().item() == pytest.approx(0.9118440892, abs=1e-9)


@given(
    seed=st.integers(0, 2**16),
    temperature=st.sampled_from([0.5, 1.0, 4.0, 100.0]),
    scale=st.sampled_from([0.01, 1, 20]),
)
@settings(max_examples=25, deadline=None)
def test_equals_scipy(seed, temperature, scale):
    rng = np.random.default_rng(seed)
    new, old = rng.normal(size=(2, 7, 5)) * scale
    wanted = rel_entr(softmax(old / temperature, axis=1), softmax(new / temperature, axis=1)).sum(1) * temperature**2
    got = kl_distillation(torch.tensor(new), torch.tensor(old), temperature=temperature)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-6, atol=1e-10)


def test_large_temperature_is_half_the_variance_of_the_gap(draw):
    new, old = draw(7, 5), draw(7, 5)
    wanted = (new - old).var(dim=1, unbiased=False) / 2
    torch.testing.assert_close(kl_distillation(new, old, temperature=100.0), wanted, rtol=0.02, atol=0)


def test_float32_keeps_its_digits_at_large_temperature(draw):
    new = draw(50, 10)
    old = new + draw(50, 10, scale=0.01)
    exact = kl_distillation(new.double(), old.double())
    torch.testing.assert_close(kl_distillation(new, old).double(), exact, rtol=2e-4, atol=0)
    p, q = (torch.log_softmax(z / 100, dim=1) for z in (old, new))
    textbook = (p.exp() * (p - q)).sum(1) * 100**2
    assert ((textbook - exact).abs() / exact).max() > 0.1


def test_gradient_equals_the_closed_form(draw):
    for scale in (0.05, 1.0, 30.0):
        new, old = draw(7, 5, scale=scale).double().requires_grad_(), draw(7, 5, scale=scale).double()
        kl_distillation(new, old, temperature=2.0).sum().backward()
        torch.testing.assert_close(new.grad, 2 * (torch.softmax(new.detach() / 2, 1) - torch.softmax(old / 2, 1)))


def test_adding_a_constant_a_row_changes_nothing(draw):
    new, old, shift = draw(7, 5), draw(7, 5), draw(7, 1)
    torch.testing.assert_close(kl_distillation(new + shift, old), kl_distillation(new, old), rtol=1e-3, atol=1e-6)


def test_without_the_square(draw):
    new, old = draw(7, 5), draw(7, 5)
    plain = kl_distillation(new, old, temperature=5.0, scale_by_square=False)
    torch.testing.assert_close(plain * 25, kl_distillation(new, old, temperature=5.0))


def test_far_logits_stay_finite():
    new = torch.tensor([[1e4, -1e4]], requires_grad=True)
    value = kl_distillation(new, torch.tensor([[-1e4, 1e4]]), temperature=1.0)
    value.sum().backward()
    assert value.item() == pytest.approx(2e4)
    assert new.grad is not None
    assert new.grad.isfinite().all()


@pytest.mark.parametrize("scale", [0.05, 3.0])
def test_gradient_reaches_the_old_model_only_where_asked(draw, scale):
    new, old = (draw(3, 4, scale=scale, dtype=torch.float64).requires_grad_() for _ in range(2))
    kl_distillation(new, old).sum().backward()
    assert old.grad is None

    def mutual(a, b):
        return kl_distillation(a, b, temperature=2.0, both=True)

    assert torch.autograd.gradcheck(mutual, (new, old))


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"new is \(1, 3\), old is \(1, 2\)"):
        kl_distillation(NEW, OLD[:, :2])
    with pytest.raises(ValueError, match="temperature must be > 0"):
        kl_distillation(NEW, OLD, temperature=0)
