import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax

from modelheir.losses import decoupled, kl_distillation

NEW = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]], dtype=torch.float64)
OLD = torch.tensor([[3.0, 2.0, 1.0], [0.0, 0.5, -0.5]], dtype=torch.float64)
LABELS = torch.tensor([2, 0])


def loop(new, old, target, temperature):
    """Both parts an image, from probabilities."""
    parts = []
    for z, t, g in zip(new, old, target, strict=True):
        q, p = softmax(z / temperature), softmax(t / temperature)
        first = rel_entr([p[g], 1 - p[g]], [q[g], 1 - q[g]]).sum()
        q, p = (np.delete(a, g) / np.delete(a, g).sum() for a in (q, p))
        parts.append((first * temperature**2, rel_entr(p, q).sum() * temperature**2))
    return np.array(parts).T


def test_known_values():
    def value(**settings):
        return decoupled(NEW, OLD, LABELS, **settings).mean().item()

    assert value(beta=0.0) == pytest.approx(0.4029226819, abs=1e-9)
    assert value(alpha=0.0) == pytest.approx(0.5228331765, abs=1e-9)
    assert value() == pytest.approx(0.9257558584, abs=1e-9)
    assert value(temperature=4.0) == pytest.approx(1.0794455337, abs=1e-9)
    assert value(target="teacher") == pytest.approx(0.9709247408, abs=1e-9)


@given(seed=st.integers(0, 2**16), temperature=st.sampled_from([0.5, 1.0, 4.0]), classes=st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_equals_a_loop(seed, temperature, classes):
    rng = np.random.default_rng(seed)
    new, old, labels = *rng.normal(size=(2, 7, classes)) * 2, rng.integers(0, classes, 7)
    first, second = loop(new, old, labels, temperature)
    new, old, labels = torch.tensor(new), torch.tensor(old), torch.tensor(labels)
    value = decoupled(new, old, labels, alpha=0.7, beta=3.0, temperature=temperature)
    np.testing.assert_allclose(value, 0.7 * first + 3 * second, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_plain_kl_weighs_the_second_part_by_what_the_target_leaves(draw, temperature):
    new, old, labels = draw(7, 5, dtype=torch.float64), draw(7, 5, dtype=torch.float64), torch.arange(7) % 5
    first, second = (decoupled(new, old, labels, alpha=a, beta=1 - a, temperature=temperature) for a in (1.0, 0.0))
    left = 1 - (old / temperature).softmax(1).gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(first + left * second, kl_distillation(new, old, temperature=temperature))


def test_two_classes_have_no_second_part(draw):
    new, old, labels = draw(7, 2).requires_grad_(), draw(7, 2), torch.arange(7) % 2
    value = decoupled(new, old, labels, alpha=0.0)
    value.sum().backward()
    assert value.eq(0).all()
    assert new.grad.eq(0).all()
    torch.testing.assert_close(decoupled(new, old, labels, temperature=2.0), kl_distillation(new, old, temperature=2.0))


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_one_image_and_far_logits_are_finite(classes):
    new = torch.full((1, classes), -300.0)
    new[0, 0] = 300.0
    new.requires_grad_()
    value = decoupled(new, torch.linspace(-300, 300, classes)[None], torch.tensor([-1]))
    value.sum().backward()
    assert value.isfinite().all()
    assert new.grad is not None
    assert new.grad.isfinite().all()
    assert (value > 500).all() == (classes > 1)


def test_unlabelled_images_and_target_teacher_take_the_old_answer(draw):
    new, old = draw(7, 5), draw(7, 5)
    answer, none = old.argmax(1), torch.full((7,), -1)
    wanted = decoupled(new, old, answer)
    torch.testing.assert_close(decoupled(new, old, none), wanted)
    for labels in (none, (answer + 1) % 5):
        assert torch.equal(decoupled(new, old, labels, target="teacher"), wanted)
    assert not torch.allclose(decoupled(new, old, (answer + 1) % 5), wanted)


def test_says_what_is_wrong(draw):
    labels = torch.zeros(2, dtype=torch.int64)
    for weight in ("alpha", "beta"):
        with pytest.raises(ValueError, match=f"{weight} must be >= 0"):
            decoupled(draw(2, 3), draw(2, 3), labels, **{weight: -1})
    with pytest.raises(ValueError, match=r"new is \(2, 3\), old is \(2, 4\)"):
        decoupled(draw(2, 3), draw(2, 4), labels)
    with pytest.raises(ValueError, match="temperature must be > 0"):
        decoupled(draw(2, 3), draw(2, 3), labels, temperature=0)
    with pytest.raises(ValueError, match=r"unknown target 'teachers'\. Did you mean 'teacher'"):
        decoupled(draw(2, 3), draw(2, 3), labels, target="teachers")  # pyright: ignore
    with pytest.raises(ValueError, match=r"labels must have shape \(2,\)"):
        decoupled(draw(2, 3), draw(2, 3), labels[:1])
