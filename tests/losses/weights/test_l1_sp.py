import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.losses import l1_sp


def test_equals_numpy_over_all_named(draw):
    new, old = {"w": draw(3, 2), "b": draw(3), "free": draw(1)}, {"w": draw(3, 2), "b": draw(3)}
    wanted = sum(np.abs(new[name].numpy() - old[name].numpy()).sum() for name in old)
    assert l1_sp(new, old).item() == pytest.approx(wanted, rel=1e-5)


def test_the_pull_has_one_strength_and_is_zero_at_the_old_value():
    new = torch.tensor([3.0, -5.0, 1.0], requires_grad=True)
    l1_sp({"w": new}, {"w": torch.ones(3)}).backward()
    assert new.grad is not None
    assert new.grad.tolist() == [1.0, -1.0, 0.0]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(*[st.floats(-9, 9, width=32)] * 3), min_size=1, max_size=5))
def test_a_distance(rows):
    a, b, c = ({"w": torch.tensor(one, dtype=torch.float64)} for one in zip(*rows, strict=True))
    assert l1_sp(a, a).item() == 0
    assert l1_sp(a, b).item() == l1_sp(b, a).item()
    assert l1_sp(a, c).item() <= l1_sp(a, b).item() + l1_sp(b, c).item() + 1e-9


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="at least one parameter"):
        l1_sp({"w": torch.ones(2)}, {})
