"""Distribution alignment against the formula in NumPy; what it does to class shares, state, processes, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.objective import DistributionAlignment

C = 3
SHARES = torch.tensor([0.5, 0.3, 0.2])


def batches(count, seed=0, rows=8):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(rows, C, generator=generator) + torch.arange(C)).softmax(1).double() for _ in range(count)]


@settings(deadline=None, max_examples=15)
@given(st.floats(0, 0.999), st.integers(0, 50))
def test_equals_the_formula(m, seed):
    made, seen = DistributionAlignment(SHARES.double(), momentum=m), []
    for p in batches(4, seed):
        found, p = made(p), p.numpy()
        seen.append(p.mean(0))
        mean = np.average(seen, axis=0, weights=m ** np.arange(len(seen))[::-1].astype(float))
        expected = np.zeros_like(p)
        for n in range(len(p)):
            for c in range(C):
                expected[n, c] = p[n, c] * (SHARES.double().numpy()[c] + 1e-6) / (mean[c] + 1e-6)
            expected[n] /= expected[n].sum()
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_shares_move_towards_the_target():
    (p,) = batches(1, rows=400)
    found = DistributionAlignment(SHARES)(p).mean(0)
    before, after = (p.mean(0) - SHARES).abs().sum(), (found - SHARES).abs().sum()
    assert after < before / 2


def test_what_has_the_target_shares_is_left_alone():
    p = torch.tensor([[0.7, 0.1, 0.2], [0.3, 0.5, 0.2]])
    torch.testing.assert_close(DistributionAlignment(SHARES)(p), p)
    torch.testing.assert_close(DistributionAlignment(torch.ones(1))(torch.ones(2, 1)), torch.ones(2, 1))


def test_resuming_finds_the_mean():
    first, *later = batches(3)
    whole, again = (DistributionAlignment(SHARES, momentum=0.9) for _ in range(2))
    whole(first)
    again.load_state_dict({key: value.clone() for key, value in whole.state_dict().items()})
    for p in later:
        assert torch.equal(whole(p), again(p))
    with pytest.raises(ValueError, match="saved is"):
        DistributionAlignment(torch.ones(2) / 2).load_state_dict(whole.state_dict())


def test_processes_have_the_mean_of_the_whole_batch():
    one, half = (DistributionAlignment(SHARES, momentum=0.9) for _ in range(2))
    for p in batches(3):
        torch.testing.assert_close(half(p[4:], gather=lambda part, p=p: p), one(p)[4:])


def test_a_class_that_is_never_predicted_stays_finite_and_an_empty_batch_changes_nothing():
    made = DistributionAlignment(SHARES)
    assert made(torch.ones(0, C)).shape == (0, C)
    assert not made.shift().any()
    found = made(torch.tensor([[1.0, 0.0, 0.0]]))
    assert found.tolist() == [[1.0, 0.0, 0.0]]


def test_no_gradient_and_half_precision_is_widened():
    p = torch.full((2, C), 1 / 3, dtype=torch.float16, requires_grad=True)
    found = DistributionAlignment(SHARES)(p)
    assert not found.requires_grad
    assert found.dtype == torch.float32


def test_refusals():
    for shares in ([0.5, 0.6], [1.5, -0.5], [[1.0]], []):
        with pytest.raises(ValueError, match="shares must be a distribution"):
            DistributionAlignment(torch.tensor(shares))
    with pytest.raises(ValueError, match="momentum must be from 0 to 1"):
        DistributionAlignment(SHARES, momentum=1.5)
    with pytest.raises(ValueError, match="shares has 3, classes has 2"):
        DistributionAlignment(SHARES)(torch.ones(2, 2) / 2)


@given(st.integers(0, 99), st.floats(0.0, 1.0))
@settings(deadline=None)
def test_the_shift_of_several_models_logits_is_the_written_rule(seed, momentum):
    """By NumPy: the running mean of each, the ratio, the normalisation."""
    rng = np.random.default_rng(seed)
    prior, seen = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4), size=(3, 2))
    alignment = DistributionAlignment(torch.tensor(prior), models=2, momentum=momentum)
    for batch in seen:
        alignment.add(torch.tensor(batch))
    mean = np.average(seen, axis=0, weights=momentum ** np.arange(3)[::-1].astype(float))
    p = rng.dirichlet(np.ones(4), size=(2, 5))
    wanted = p * ((prior + 1e-6) / (mean + 1e-6))[:, None]
    wanted /= wanted.sum(2, keepdims=True)
    found = (torch.tensor(p).log() + alignment.shift()[:, None]).softmax(2)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_nothing_is_shifted_before_anything_was_seen_or_where_the_mean_is_the_prior():
    prior = torch.tensor([0.2, 0.8])
    alignment = DistributionAlignment(prior)
    torch.testing.assert_close(alignment.shift(), torch.zeros(1, 2))
    alignment.add(prior[None])
    torch.testing.assert_close(alignment.shift(), torch.zeros(1, 2))


def test_a_class_that_is_never_said_is_raised_by_a_finite_number():
    alignment = DistributionAlignment(torch.tensor([0.5, 0.5]))
    alignment.add(torch.tensor([[1.0, 0.0]]))
    assert alignment.shift().isfinite().all()
