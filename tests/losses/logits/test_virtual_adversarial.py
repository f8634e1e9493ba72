"""Virtual adversarial loss in closed form for linear models, by its Hessian, and what it leaves alone."""

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.losses import virtual_adversarial

N, D = 6, 4


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def linear(classes, seed=1, shape=(D,)):
    """A linear model in float64, with its weights in NumPy."""
    weight, bias = (torch.randn(*size, generator=generator(seed)).double() for size in ((classes, D), (classes,)))
    return (lambda x: x.flatten(1) @ weight.T + bias), weight.numpy(), bias.numpy()


def layer(classes=3):
    """A linear layer whose weights are the same in every run."""
    made = nn.Linear(D, classes)
    with torch.no_grad():
        for value in made.parameters():
            value.copy_(torch.randn(value.shape, generator=generator(3)))
    return made


def divergence(p_logits, q_logits):
    return scipy.special.rel_entr(scipy.special.softmax(p_logits, 1), scipy.special.softmax(q_logits, 1)).sum(1)


@settings(deadline=None, max_examples=15)
@given(st.floats(0.01, 2), st.floats(0.01, 1), st.integers(1, 3), st.integers(0, 30))
def test_two_classes_have_a_closed_form(epsilon, xi, iterations, seed):
    """The gap of the two logits is all that counts, so the direction is that of its weights, towards the draw."""
    model, w, b = linear(2)
    x = torch.randn(N, D, generator=generator(seed)).double()
    found = virtual_adversarial(
        model, x, model(x), generator=generator(seed), xi=xi, epsilon=epsilon, iterations=iterations
    )
    across = w[0] - w[1]
    unit = across / np.linalg.norm(across)
    drawn = torch.randn(N, D, generator=generator(seed), dtype=torch.float64).numpy()
    moved = x.numpy() + epsilon * np.sign(drawn @ unit)[:, None] * unit
    np.testing.assert_allclose(found, divergence(x.numpy() @ w.T + b, moved @ w.T + b), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("iterations", [1, 2, 60])
def test_the_search_is_power_iteration_on_the_hessian(iterations):
    """For small ``xi`` a step multiplies by ``W^T (diag p - p p^T) W``; many find its first eigenvector."""
    model, w, b = linear(3)
    x = torch.randn(N, D, generator=generator(2)).double()
    found = virtual_adversarial(model, x, model(x), generator=generator(), xi=1e-4, epsilon=0.3, iterations=iterations)
    d = torch.randn(N, D, generator=generator(), dtype=torch.float64).numpy()
    logits = x.numpy() @ w.T + b
    moved = np.zeros((N, D))
    for n, p in enumerate(scipy.special.softmax(logits, 1)):
        hessian = w.T @ (np.diag(p) - np.outer(p, p)) @ w
        v = np.linalg.matrix_power(hessian, iterations) @ d[n]
        if iterations == 60:
            top = np.linalg.eigh(hessian)[1][:, -1]
            v = top * np.sign(top @ v)
        moved[n] = x[n].numpy() + 0.3 * v / np.linalg.norm(v)
    np.testing.assert_allclose(found, divergence(logits, moved @ w.T + b), rtol=1e-3)


def test_the_worst_change_is_worse_than_others():
    model, *_ = linear(3)
    x = torch.randn(N, D, generator=generator(2)).double()
    worst = virtual_adversarial(model, x, model(x), generator=generator(), xi=1e-3, iterations=30)
    for seed in range(5):
        noise = nn.functional.normalize(torch.randn(N, D, generator=generator(seed)).double(), dim=1)
        other = divergence(model(x).numpy(), model(x + 0.1 * noise).numpy())
        assert (worst.numpy() >= 0.9 * other).all()


def test_images_are_changed_as_a_whole():
    weight = torch.randn(2, 12, generator=generator()).double()
    x = torch.rand(N, 3, 2, 2, generator=generator()).double()
    seen = []

    def model(images):
        seen.append(images)
        return images.flatten(1) @ weight.T

    virtual_adversarial(model, x, model(x), generator=generator(), xi=0.5, epsilon=0.2)
    lengths = [(one.detach() - x).flatten(1).norm(dim=1) for one in seen]
    torch.testing.assert_close(lengths[1], torch.full((N,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(lengths[2], torch.full((N,), 0.2, dtype=torch.float64))


def test_gradients_reach_the_model_by_the_changed_inputs_alone():
    module, x = layer(), torch.randn(N, D, generator=generator()).requires_grad_()
    logits = module(x)
    found = virtual_adversarial(module, x, logits, generator=generator())
    assert module.weight.grad is None  # the search leaves none
    found.mean().backward()
    assert module.weight.grad.abs().sum() > 0
    assert x.grad is None
    with torch.no_grad():
        again = virtual_adversarial(module, x, logits, generator=generator())
    assert torch.equal(again, found.detach())


def test_the_generator_alone_decides():
    module, x = layer(), torch.randn(N, D, generator=generator())
    before = torch.get_rng_state()
    one, same, other = (virtual_adversarial(module, x, module(x), generator=generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert (one >= 0).all()


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e3])
def test_flat_and_steep_models(scale):
    """A direction is found however small the slope is."""
    weight = torch.tensor([[3.0, 4.0], [0.0, 0.0]]) * scale
    x, seen = torch.zeros(1, 2), []

    def model(inputs):
        seen.append(inputs.detach())
        return inputs @ weight.T

    found = virtual_adversarial(model, x, model(x), generator=generator())
    assert found.isfinite().all()
    torch.testing.assert_close(seen[-1].abs(), torch.tensor([[0.06, 0.08]]), rtol=1e-3, atol=0)


def test_edges():
    x = torch.randn(N, D, generator=generator())
    constant = torch.zeros(N, 3)
    still = virtual_adversarial(lambda inputs: constant + 0 * inputs[:, :1], x, constant, generator=generator())
    assert still.tolist() == [0] * N
    one = layer(1)
    assert virtual_adversarial(one, x, one(x), generator=generator()).abs().max() < 1e-6
    module = layer()
    assert virtual_adversarial(module, x[:0], module(x[:0]), generator=generator()).shape == (0,)
    assert virtual_adversarial(module, x, module(x), generator=generator(), epsilon=0.0).abs().max() < 1e-6


def test_half_precision_is_measured_in_float32():
    module, x = layer(), torch.randn(N, D, generator=generator())
    with torch.autocast("cpu", torch.bfloat16):
        found = virtual_adversarial(module, x, module(x), generator=generator(), xi=1.0, epsilon=1.0)
    assert found.dtype == torch.float32
    assert found.isfinite().all()


def test_refusals():
    module, x = layer(), torch.zeros(N, D)
    for wrong, said in (
        ({"xi": 0.0}, "xi must be > 0"),
        ({"epsilon": -1.0}, "epsilon must be >= 0"),
        ({"iterations": 0}, "iterations must be >= 1"),
    ):
        with pytest.raises(ValueError, match=said):
            virtual_adversarial(module, x, module(x), generator=generator(), **wrong)
    with pytest.raises(ValueError, match="inputs has 6, logits has 2"):
        virtual_adversarial(module, x, torch.zeros(2, 3), generator=generator())
