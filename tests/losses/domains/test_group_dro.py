import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir import losses

several = st.lists(st.floats(0, 5), min_size=1, max_size=6)


@settings(deadline=None, max_examples=40)
@given(several, st.integers(0, 20), st.floats(0, 1))
def test_with_fixed_losses_weights_grow_as_exponentials(risks, updates, eta):
    risk = torch.tensor(risks, dtype=torch.float64)
    q = torch.full_like(risk, 1 / len(risks))
    for _ in range(updates):
        q = losses.moved_group_weights(q, risk, step_size=eta)
    wanted = [math.exp(eta * updates * one) for one in risks]
    np.testing.assert_allclose(q.numpy(), np.array(wanted) / sum(wanted), rtol=1e-9)


@settings(deadline=None, max_examples=40)
@given(several, st.floats(0, 3))
def test_weights_sum_to_one_and_never_make_the_loss_smaller(risks, eta):
    risk = torch.tensor(risks, dtype=torch.float64)
    q = torch.full_like(risk, 1 / len(risks))
    moved = losses.moved_group_weights(q, risk, step_size=eta)
    assert moved.sum().item() == pytest.approx(1)
    low, high = losses.group_dro(risk, q).item(), losses.group_dro(risk, moved).item()
    assert low - 1e-12 <= high <= losses.worst_risk(risk).item() + 1e-12


def test_the_worst_risks_gradient_is_that_of_its_domain_alone(draw):
    layer, inputs, labels = nn.Linear(4, 3), draw(3, 5, 4), torch.tensor([0, 1, 2, 0, 1])
    risks = torch.stack([nn.functional.cross_entropy(layer(one), labels) for one in inputs])
    worst = max(range(3), key=lambda e: risks[e].item())
    got = torch.autograd.grad(losses.worst_risk(risks), list(layer.parameters()), retain_graph=True)
    for ours, alone in zip(got, torch.autograd.grad(risks[worst], list(layer.parameters())), strict=True):
        torch.testing.assert_close(ours, alone)


def test_of_equal_risks_one_has_the_gradient():
    risks = torch.tensor([2.0, 2.0, 1.0], requires_grad=True)
    losses.worst_risk(risks).backward()
    assert risks.grad is not None
    assert risks.grad.tolist() == [1.0, 0.0, 0.0]


def test_what_is_largest_may_be_said_by_others():
    assert losses.worst_risk(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 0.0])).item() == 1
    with pytest.raises(ValueError, match="shapes must be equal"):
        losses.worst_risk(torch.ones(2), torch.ones(3))


def test_gradient_flows_to_the_risks_only():
    risks, q = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([0.4, 0.6], requires_grad=True)
    losses.group_dro(risks, q).backward()
    assert q.grad is None
    assert risks.grad is not None
    torch.testing.assert_close(risks.grad, torch.tensor([0.4, 0.6]))
    assert not losses.moved_group_weights(q, risks).requires_grad


def test_risks_of_groups_against_a_loop():
    generator = np.random.default_rng(0)
    values, groups = generator.random(20), generator.integers(0, 4, 20)
    wanted = [values[groups == e].mean() if (groups == e).any() else 0.0 for e in range(5)]
    got = losses.group_risks(torch.tensor(values), torch.tensor(groups), count=5)
    np.testing.assert_allclose(got.numpy(), wanted)
    assert got[4] == 0


def test_half_precision_and_a_large_step_stay_finite():
    risks = torch.tensor([1.0, 600.0], dtype=torch.float16)
    q = losses.moved_group_weights(torch.full((2,), 0.5, dtype=torch.float16), risks, step_size=10.0)
    assert q.tolist() == [0.0, 1.0]
    assert q.dtype == losses.worst_risk(risks).dtype == torch.float32


def test_says_what_is_wrong():
    two = torch.ones(2)
    with pytest.raises(ValueError, match=r"weights is \(3,\), risks is \(2,\)"):
        losses.moved_group_weights(torch.ones(3), two)
    with pytest.raises(ValueError, match="step_size must be >= 0"):
        losses.moved_group_weights(two, two, step_size=-1)
    with pytest.raises(ValueError, match="shapes must be equal"):
        losses.group_dro(two, torch.ones(3))
    with pytest.raises(ValueError, match="shapes must be equal"):
        losses.group_risks(two, torch.zeros(3, dtype=torch.long), count=2)
    with pytest.raises(ValueError, match="groups must be >= 1"):
        losses.worst_risk(torch.ones(0))
