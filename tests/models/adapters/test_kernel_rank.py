"""Adapters of low rank at each position of a kernel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.models.adapters import KernelRank, adapt, rank_cap

KINDS = ("add", "multiply")


def made(shape, rank=2, kind="add", start="uniform", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return KernelRank(torch.empty(shape), rank=rank, kind=kind, generator=generator, start=start)


@given(st.integers(5, 9), st.integers(5, 9), st.sampled_from([(), (1, 1), (2, 3)]), st.integers(1, 2))
@settings(max_examples=20, deadline=None)
def test_each_position_is_a_product_of_its_own(outputs, inputs, kernel, rank):
    adapter = made((outputs, inputs, *kernel), rank)
    change = adapter().detach().numpy()
    outer, inner = (value.detach().numpy() for value in (adapter.outer, adapter.inner))
    assert change.shape == (outputs, inputs, *kernel)
    for place in np.ndindex(*kernel):
        by_hand = sum(np.outer(outer[place][:, r], inner[place][r]) for r in range(rank))
        np.testing.assert_allclose(change[(slice(None), slice(None), *place)], by_hand, rtol=1e-4, atol=1e-5)
        assert np.linalg.matrix_rank(by_hand, tol=1e-4) == rank
    numbers = sum(p.numel() for p in adapter.parameters())
    assert numbers == int(np.prod(kernel)) * rank * (inputs + outputs)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_follow_one_another_in_any_order(kind):
    weight = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(1))
    steps = [made((6, 5, 3, 3), kind=kind, seed=seed) for seed in range(3)]
    changes = [one().detach().numpy() for one in steps]
    by_hand = weight.numpy() + sum(changes) if kind == "add" else weight.numpy() * np.prod(changes, axis=0)
    np.testing.assert_allclose(adapt(weight, steps).detach().numpy(), by_hand, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(adapt(weight, steps), adapt(weight, steps[::-1]), rtol=1e-4, atol=1e-4)
    assert torch.equal(adapt(weight, []), weight)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_it_begins_as_the_identity_and_can_be_made_it(kind, rank):
    weight = torch.randn(12, 9, 3, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(adapt(weight, [made(weight.shape, rank, kind, "identity")]), weight)
    far = made(weight.shape, rank, kind)
    assert not torch.allclose(adapt(weight, [far]), weight)
    far.neutralise()
    assert torch.equal(adapt(weight, [far]), weight)


@pytest.mark.parametrize("kind", KINDS)
def test_all_terms_learn_from_the_identity(kind):
    torch.manual_seed(0)
    weight, target = torch.rand(6, 5) + 1, torch.rand(6, 5)
    adapter = made(weight.shape, 2, kind, "identity")
    optimizer = torch.optim.Adam(adapter.parameters(), lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        (adapt(weight, [adapter]) - target).square().sum().backward()
        optimizer.step()
    values = torch.linalg.svdvals(adapter().detach())
    assert values[1] > 0.05 * values[0]
    assert values[2] < 1e-5 * values[0]


def test_the_uniform_start_is_as_wide_as_published():
    adapter = made((64, 64, 3, 3), 4)
    assert 1.49 < float(adapter.inner.detach().abs().max()) <= 1.5
    assert float(adapter().detach().std()) == pytest.approx(0.75 * 2, rel=0.02)  # 0.75 sqrt(r)


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_the_cap_is_the_last_rank_with_fewer_numbers(outputs, inputs):
    cap = rank_cap(torch.empty(outputs, inputs, 3, 3))
    assert cap * (outputs + inputs) < outputs * inputs <= (cap + 1) * (outputs + inputs)


def test_mistakes():
    with pytest.raises(ValueError, match="rank must be from 1 to 2, got 3"):
        made((6, 5), 3)
    with pytest.raises(ValueError, match="rank must be from 1 to 2, got 0"):
        made((6, 5), 0)
    with pytest.raises(ValueError, match="Did you mean 'multiply'"):
        made((6, 5), 1, "multipl")
    with pytest.raises(ValueError, match="Did you mean 'uniform'"):
        made((6, 5), 1, start="unifrom")
