"""Attacks on linear models in closed form, in NumPy, and what holds of every attack."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from modelheir.objective.adversarial import ascend, bernoulli_start, normal_start, undisturbed, uniform_start


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(shape, seed):
    return torch.rand(shape, generator=generator(seed))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), epsilon=st.floats(0.001, 0.4), steps=st.integers(1, 5))
def test_the_worst_change_of_a_linear_function_is_its_sign(seed, epsilon, steps):
    """In the middle of the range the largest of ``w x`` is ``epsilon |w|_1`` above that of the image."""
    images = 0.4 + 0.2 * drawn((3, 6), seed)
    weight = torch.randn(6, generator=generator(seed + 1))
    start = uniform_start(images, epsilon, generator=generator(seed + 2))
    found = ascend(lambda x: x @ weight, images, start, epsilon=epsilon, step_size=2 * epsilon, steps=steps)
    expected = np.clip(images.numpy() + epsilon * np.sign(weight.numpy()), 0, 1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_projected_steps_are_those_of_a_loop():
    """Softmax regression: the gradient of the cross-entropy is written out."""
    rng = np.random.default_rng(0)
    images, weight, label = rng.random((4, 5)), rng.normal(size=(3, 5)), np.array([0, 2, 1, 0])
    begin, epsilon, size = rng.uniform(-0.1, 0.1, (4, 5)), 0.1, 0.03
    found = np.clip(images + begin, np.maximum(images - epsilon, 0), np.minimum(images + epsilon, 1))
    for _ in range(6):
        logits = found @ weight.T
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        slope = (p - np.eye(3)[label]) @ weight
        found = np.clip(found + size * np.sign(slope), images - epsilon, images + epsilon).clip(0, 1)
    w, y = torch.from_numpy(weight), torch.from_numpy(label)
    ours = ascend(
        lambda x: functional.cross_entropy(x @ w.T, y, reduction="none"), torch.from_numpy(images),
        torch.from_numpy(begin), epsilon=epsilon, step_size=size, steps=6,
    )  # fmt: skip
    np.testing.assert_allclose(ours.numpy(), found, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), epsilon=st.floats(0, 1), size=st.floats(0, 1), steps=st.integers(1, 3))
def test_images_stay_within_the_bound_and_the_range_and_a_linear_models_loss_never_falls(seed, epsilon, size, steps):
    images, weight = drawn((4, 7), seed), torch.randn(7, generator=generator(seed + 1))
    sign = torch.tensor([1.0, -1.0, 1.0, -1.0])

    def loss(x):
        return functional.softplus(-sign * (x @ weight))

    start = torch.zeros_like(images)
    found = ascend(loss, images, start, epsilon=epsilon, step_size=size, steps=steps)
    assert ((found - images).abs() <= epsilon + 1e-6).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert (loss(found) >= loss(images) - 1e-6).all()
    far = ascend(loss, images, 5 * torch.ones_like(images), epsilon=epsilon, step_size=size, steps=steps)
    assert ((far - images).abs() <= epsilon + 1e-6).all()


def test_without_a_bound_the_image_stays():
    images = drawn((2, 3, 4, 4), 0)
    start = uniform_start(images, 0.0, generator=generator())
    assert torch.equal(
        ascend(lambda x: x.flatten(1).sum(1), images, start, epsilon=0.0, step_size=0.0, steps=2), images
    )


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_left_alone(training):
    """No parameter has a gradient, no statistic moves; in training the batch's own statistics normalise."""
    model = net().train(training)
    before, twin = copy.deepcopy(model.state_dict()), copy.deepcopy(model)
    images = drawn((5, 3, 4, 4), 1)
    start = uniform_start(images, 0.1, generator=generator())
    with undisturbed(model):
        torch.testing.assert_close(model(images), twin(images))
        ascend(lambda x: model(x)[:, 0], images, start, epsilon=0.1, step_size=0.05, steps=3)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(one.grad is None for one in model.parameters())
    assert [part.training for part in model.modules()] == [training] * len(list(model.modules()))
    model(images)
    assert torch.equal(model[1].running_mean, before["1.running_mean"]) != training  # and afterwards they move again


def test_statistics_move_again_after_an_error():
    model = net()
    with pytest.raises(RuntimeError, match="inside"), undisturbed(model):
        raise RuntimeError("inside")
    assert model[1].track_running_stats


def test_starts_have_their_distributions_and_seeds():
    images = torch.zeros(1, 3, 100, 100)
    even, sign, normal = (
        draw(images, 0.2, generator=generator(3)) for draw in (uniform_start, bernoulli_start, normal_start)
    )
    assert even.abs().max() <= 0.2
    assert even.std() == pytest.approx(0.2 / 3**0.5, rel=0.02)
    assert sign.unique().tolist() == pytest.approx([-0.2, 0.2])
    assert sign.mean().abs() < 0.005
    assert normal.std() == pytest.approx(0.2, rel=0.02)
    assert torch.equal(even, uniform_start(images, 0.2, generator=generator(3)))


def test_what_is_out_of_range_is_refused():
    images = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="epsilon must be from 0 to 1"):
        ascend(lambda x: x.sum(1), images, images, epsilon=8.0, step_size=2.0, steps=1)
    with pytest.raises(ValueError, match="shapes must be equal"):
        ascend(lambda x: x.sum(1), images, torch.zeros(2, 2), epsilon=0.1, step_size=0.1, steps=1)
    with pytest.raises(ValueError, match="steps must be >= 1"):
        ascend(lambda x: x.sum(1), images, images, epsilon=0.1, step_size=0.1, steps=0)
