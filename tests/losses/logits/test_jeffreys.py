import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, rel_entr, softmax

from modelheir.losses import jeffreys, jensen_shannon, kl_distillation, positive_ratio_weights

NEW = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]], dtype=torch.float64)
OLD = torch.tensor([[3.0, 2.0, 1.0], [0.0, 0.5, -0.5]], dtype=torch.float64)


def reference(q, p, eps=1e-12):
    """SSLD's element-wise term, its mean over the batch's entries taken an image."""
    classes = q.shape[1]
    one, other = (classes * a * np.log((a + eps) / (b + eps)) for a, b in ((p, q), (q, p)))
    return ((one + other) / 2).mean(1)


def test_known_values_and_gradient():
    new = NEW.clone().requires_grad_()
    value = jeffreys(new, OLD).mean()
    value.backward()
    assert value.item() == pytest.approx(0.7853906598, abs=1e-9)
    assert jeffreys(NEW, OLD, sum_over_classes=True).mean().item() == pytest.approx(2.3561719795, abs=1e-9)
    wanted = [[-0.21471114, -0.07038518, 0.28509632], [0.06377265, -0.15098306, 0.08721041]]
    np.testing.assert_allclose(new.grad, wanted, atol=6e-9)
    np.testing.assert_allclose(new.grad.sum(1), 0, atol=1e-12)


@given(seed=st.integers(0, 2**16), scale=st.sampled_from([0.1, 1, 10]))
@settings(max_examples=25, deadline=None)
def test_is_the_mean_of_both_kls_and_symmetric(seed, scale):
    new, old = np.random.default_rng(seed).normal(size=(2, 7, 5)) * scale
    q, p = softmax(new, axis=1), softmax(old, axis=1)
    wanted = (rel_entr(p, q).sum(1) + rel_entr(q, p).sum(1)) / 2
    new, old = torch.tensor(new), torch.tensor(old)
    np.testing.assert_allclose(jeffreys(new, old), wanted, rtol=1e-9, atol=1e-13)
    torch.testing.assert_close(jeffreys(old, new), jeffreys(new, old), rtol=1e-12, atol=0)
    assert (jeffreys(new, old) >= 2 * jensen_shannon(new, old) - 1e-12).all()


def test_known_values_of_both_kls():
    both = [kl_distillation(*pair, temperature=1.0).mean() for pair in ((NEW, OLD), (OLD, NEW))]
    assert both[0].item() == pytest.approx(0.8153215661, abs=1e-9)
    assert both[1].item() == pytest.approx(0.7554597536, abs=1e-9)


def test_gradient_equals_the_closed_form(draw):
    new, old = draw(7, 5, dtype=torch.float64).requires_grad_(), draw(7, 5, dtype=torch.float64)
    jeffreys(new, old).sum().backward()
    s, t = softmax(new.detach().numpy(), axis=1), softmax(old.numpy(), axis=1)
    u = np.log(s / t)
    wanted = ((s - t) + s * (u - (s * u).sum(1, keepdims=True))) / 2
    np.testing.assert_allclose(new.grad, wanted, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("act", ["softmax", "sigmoid"])
def test_autograd_agrees_with_finite_differences(draw, act):
    new, old = (draw(3, 4, dtype=torch.float64).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: jeffreys(a, b, act=act, both=True), (new, old))


def test_zero_only_where_the_logits_differ_by_a_constant_of_the_row(draw):
    old = draw(7, 5, dtype=torch.float64).requires_grad_()
    new = old.detach().clone().requires_grad_()
    value = jeffreys(new, old)
    value.sum().backward()
    assert value.eq(0).all()
    assert new.grad.eq(0).all()
    torch.testing.assert_close(jeffreys(new + draw(7, 1, scale=5.0), old), torch.zeros(7).double(), atol=1e-14, rtol=0)
    assert (jeffreys(new + torch.eye(5)[:1], old) > 1e-3).all()


def test_rows_may_be_shifted_and_classes_permuted(draw):
    new, old, order = draw(7, 5, dtype=torch.float64), draw(7, 5, dtype=torch.float64), [3, 0, 4, 2, 1]
    wanted = jeffreys(new, old)
    torch.testing.assert_close(jeffreys(new + draw(7, 1), old - draw(7, 1)), wanted)
    torch.testing.assert_close(jeffreys(new[:, order], old[:, order]), wanted)


def test_small_gaps_are_kl_and_four_times_jensen_shannon(draw):
    old = draw(7, 5, dtype=torch.float64)
    new = old + draw(7, 5, scale=1e-3, dtype=torch.float64)
    value = jeffreys(new, old)
    torch.testing.assert_close(value, kl_distillation(new, old, temperature=1.0), rtol=1e-2, atol=0)
    torch.testing.assert_close(value, 4 * jensen_shannon(new, old), rtol=1e-2, atol=0)


def test_has_no_upper_bound_where_jensen_shannon_has_one():
    new, old = torch.tensor([[200.0, 0.0]]), torch.tensor([[0.0, 200.0]])
    assert jeffreys(new, old).item() == pytest.approx(200)
    assert jensen_shannon(new, old).item() == pytest.approx(np.log(2))


@pytest.mark.parametrize("act", ["softmax", "sigmoid"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_far_half_precision_logits_are_finite(dtype, act):
    new = torch.tensor([[60.0, -60.0, 0.0], [-60.0, 60.0, 60.0]], dtype=dtype, requires_grad=True)
    value = jeffreys(new, torch.tensor([[-60.0, 60.0, 60.0], [-60.0, 60.0, 60.0]], dtype=dtype), act=act)
    value.sum().backward()
    assert value.isfinite().all()
    assert value[0] > 50
    assert value[1] == 0
    assert new.grad.isfinite().all()
    assert new.grad[0].ne(0).any()


def test_without_activation_and_by_sigmoid_it_is_the_reference(draw):
    new, old = draw(7, 5, dtype=torch.float64), draw(7, 5, dtype=torch.float64)
    one_sided = jeffreys(new, old, act="sigmoid")
    np.testing.assert_allclose(one_sided, reference(expit(new.numpy()), expit(old.numpy())), rtol=1e-9)
    torch.testing.assert_close(jeffreys(new.softmax(1), old.softmax(1), act="none"), jeffreys(new, old))
    q, p = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])  # without eps infinite
    np.testing.assert_allclose(jeffreys(torch.tensor(q), torch.tensor(p), act="none"), reference(q, p), rtol=1e-12)


def test_weights_multiply_each_class(draw):
    new, old = draw(3, 4, dtype=torch.float64), draw(3, 4, dtype=torch.float64)
    labels = torch.tensor([[1, 0, -1, 0], [0, 0, 1, 1], [-1, -1, -1, -1]])
    ratio = torch.tensor([0.1, 0.9, 0.5, 0.2], dtype=torch.float64)
    weights = positive_ratio_weights(labels, ratio)
    value = jeffreys(new, old, act="sigmoid", weights=weights)
    q, p = expit(new.numpy()), expit(old.numpy())
    wanted = [
        sum(
            (q[n, c] - p[n, c]) * np.log(q[n, c] / p[n, c]) / 2 * np.exp(1 - r if labels[n, c] == 1 else r)
            for c, r in enumerate(ratio.numpy())
            if labels[n, c] >= 0
        )
        for n in range(3)
    ]
    np.testing.assert_allclose(value, wanted, rtol=1e-9)
    assert value[2] == 0


def test_gradient_reaches_the_old_model_only_where_asked(draw):
    new, old = draw(7, 5).requires_grad_(), draw(7, 5).requires_grad_()
    jeffreys(new, old).sum().backward()
    assert old.grad is None
    jeffreys(new, old, both=True).sum().backward()
    mirrored = new.detach().clone(), old.detach().clone().requires_grad_()
    jeffreys(mirrored[1], mirrored[0]).sum().backward()
    torch.testing.assert_close(old.grad, mirrored[1].grad)


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"new is \(2, 3\), old is \(2, 2\)"):
        jeffreys(draw(2, 3), draw(2, 2))
    with pytest.raises(ValueError, match=r"unknown act 'sigmoïd'\. Did you mean 'sigmoid'"):
        jeffreys(draw(2, 3), draw(2, 3), act="sigmoïd")  # pyright: ignore
    with pytest.raises(ValueError, match=r"weights is \(2,\)"):
        jeffreys(draw(2, 3), draw(2, 3), weights=torch.ones(2))
