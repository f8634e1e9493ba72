import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir import losses, objective


def test_pool_weights_of_four_steps_and_the_mean_over_images_divides_by_their_number():
    assert losses.rising_weights(4) == (1 / 4, 1 / 3, 1 / 2, 1)
    values, weights = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor(losses.rising_weights(4))
    term = objective.combine({}, {"task": objective.Term(values, weights=weights)}).total
    assert term.item() == pytest.approx((1 / 4 + 2 / 3 + 3 / 2 + 4) / 4)


@settings(deadline=None)
@given(st.integers(1, 12))
def test_they_rise_or_fall_strictly_between_one_and_its_share(steps):
    rising = losses.rising_weights(steps)
    assert len(rising) == steps
    assert rising[-1] == 1
    assert rising[0] == pytest.approx(1 / steps)
    assert list(rising) == sorted(set(rising))
    assert losses.falling_weights(steps) == tuple(reversed(rising))
    assert losses.last_step_weights(steps, last=1) == (1.0,) * steps


def test_the_joint_risk_against_a_loop_and_its_gradient():
    risks = [torch.tensor(value, requires_grad=True) for value in (0.5, 2.0, 1.5)]
    weights = losses.last_step_weights(3, last=3)
    total = losses.joint_risk(risks, weights)
    assert total.item() == pytest.approx(sum(a * r.item() for a, r in zip(weights, risks, strict=True)) / 3)
    total.backward()
    assert [r.grad.item() for r in risks] == pytest.approx([1 / 3, 1 / 3, 1])


def test_as_many_as_there_are_steps_undoes_the_mean():
    assert losses.joint_risk([torch.tensor(0.0), torch.tensor(5.0)], losses.last_step_weights(2, last=2)).item() == 5


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="steps must be >= 1"):
        losses.rising_weights(0)
    with pytest.raises(ValueError, match="last must be >= 0"):
        losses.last_step_weights(2, last=-1)
    with pytest.raises(ValueError, match="2 steps, 1 weights"):
        losses.joint_risk([torch.tensor(1.0)] * 2, [1.0])
    with pytest.raises(ValueError, match="weight must be >= 0"):
        losses.joint_risk([torch.tensor(1.0)], [-1.0])
