import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import pearsonr
from torch import distributed

from modelheir.losses import all_gather, dist, pearson

NEW = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]], dtype=torch.float64)
OLD = torch.tensor([[3.0, 2.0, 1.0], [0.0, 0.5, -0.5]], dtype=torch.float64)


def test_known_values():
    assert dist(NEW, OLD, gamma=0.0).mean().item() == pytest.approx(1.8275926409, abs=1e-9)
    assert dist(NEW, OLD, beta=0.0).mean().item() == pytest.approx(1.9999995128, abs=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_equals_scipy(draw, temperature):
    new, old = draw(7, 5, dtype=torch.float64), draw(7, 5, dtype=torch.float64)
    q, p = (softmax(z.numpy() / temperature, axis=1) for z in (new, old))
    rows = [pearsonr(q[n], p[n])[0] for n in range(7)]
    columns = [pearsonr(q[:, c], p[:, c])[0] for c in range(5)]
    wanted = 0.5 * (1 - np.array(rows)) + 2 * (1 - np.mean(columns))
    np.testing.assert_allclose(dist(new, old, beta=0.5, gamma=2.0, temperature=temperature), wanted, rtol=1e-6)


@given(seed=st.integers(0, 2**16), size=st.floats(0.1, 10), shift=st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_correlation_is_the_same_after_a_positive_affine_change(seed, size, shift):
    first, second = torch.tensor(np.random.default_rng(seed).normal(size=(2, 7, 5)))
    wanted = pearson(first, second)
    torch.testing.assert_close(pearson(size * first + shift, second), wanted)
    torch.testing.assert_close(pearson(first, size * second + shift), wanted)
    torch.testing.assert_close(pearson(first, -size * second + shift), -wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [1, 3, 7, 1000])
def test_a_new_model_of_even_answers_is_not_correlated_and_has_no_gradient(draw, classes, dtype):
    new = torch.full((4, classes), 0.3, dtype=dtype, requires_grad=True)
    value = dist(new, draw(4, classes, dtype=dtype))
    value.sum().backward()
    torch.testing.assert_close(value, torch.full((4,), 2.0, dtype=dtype))
    assert new.grad is not None
    assert new.grad.eq(0).all()


def test_one_image_has_only_its_own_part(draw):
    new, old = draw(1, 5).requires_grad_(), draw(1, 5)
    value = dist(new, old)
    value.sum().backward()
    torch.testing.assert_close(value, dist(new, old, gamma=0.0) + 1)
    assert new.grad is not None
    assert new.grad.isfinite().all()
    assert new.grad.ne(0).any()


def test_over_two_images_each_class_correlates_fully_or_not(draw):
    value = dist(draw(2, 3), draw(2, 3), beta=0.0)
    torch.testing.assert_close(value * 1.5, (value * 1.5).round(), atol=1e-4, rtol=0)  # 1 - k/3, k odd


def test_autograd_agrees_with_finite_differences(draw):
    new, old = draw(4, 3, dtype=torch.float64).requires_grad_(), draw(4, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: dist(z, old, beta=0.7, gamma=2.0), new)


def test_gathers_both_models(draw):
    new, old, more_new, more_old = (draw(4, 3) for _ in range(4))
    further = iter((more_new.softmax(1), more_old.softmax(1)))
    value = dist(new, old, gather=lambda part: torch.cat([part, next(further)]))
    torch.testing.assert_close(value, dist(torch.cat([new, more_new]), torch.cat([old, more_old]))[:4])


def test_says_what_is_wrong(draw):
    for weight in ("beta", "gamma"):
        with pytest.raises(ValueError, match=f"{weight} must be >= 0"):
            dist(draw(2, 3), draw(2, 3), **{weight: -1})
    with pytest.raises(ValueError, match=r"new is \(2, 3\), old is \(2, 4\)"):
        dist(draw(2, 3), draw(2, 4))
    with pytest.raises(ValueError, match="temperature must be > 0"):
        dist(draw(2, 3), draw(2, 3), temperature=0)
    with pytest.raises(ValueError, match="shapes must be equal"):
        pearson(draw(2, 3), draw(3, 2))


def _logits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    images, old = (torch.randn(8, 5, generator=generator) for _ in range(2))
    return images, old, torch.randn(5, 5, generator=generator)


def _part(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    images, old, weight = _logits()
    weight.requires_grad_()
    own = slice(rank * 8 // world, (rank + 1) * 8 // world)
    values = dist(images[own] @ weight.T, old[own], gather=all_gather)
    values.mean().backward()
    assert weight.grad is not None
    distributed.all_reduce(weight.grad)
    torch.save({"values": values.detach(), "grad": weight.grad / world}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.distributed
def test_two_processes_equal_one(tmp_path: Path, copies):
    copies.part(_part, 2, str(tmp_path))
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    images, old, weight = _logits()
    weight.requires_grad_()
    values = dist(images @ weight.T, old)
    values.mean().backward()
    torch.testing.assert_close(torch.cat([part["values"] for part in parts]), values.detach())
    for part in parts:
        torch.testing.assert_close(part["grad"], weight.grad)
