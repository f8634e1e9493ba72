import numpy as np
import pytest
import torch
from torch import nn

from modelheir.losses import l2_sp


def test_equals_numpy_over_all_named(draw):
    new, old = {"w": draw(3, 2), "b": draw(3), "free": draw(1)}, {"w": draw(3, 2), "b": draw(3)}
    wanted = sum(np.square(new[name].numpy() - old[name].numpy()).sum() for name in old)
    assert l2_sp(new, old).item() == pytest.approx(wanted, rel=1e-5)


def test_zero_at_the_start_and_pulls_back(draw):
    layer = nn.Linear(3, 2)
    old = {name: p.detach().clone() for name, p in layer.named_parameters()}
    assert l2_sp(dict(layer.named_parameters()), old).item() == 0
    with torch.no_grad():
        layer.weight += 0.5
    l2_sp(dict(layer.named_parameters()), old).backward()
    torch.testing.assert_close(layer.weight.grad, torch.ones(2, 3))


def test_old_values_get_no_gradient():
    old = torch.ones(2, requires_grad=True)
    l2_sp({"w": torch.zeros(2, requires_grad=True)}, {"w": old}).backward()
    assert old.grad is None


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="parameter head has an old value and no counterpart"):
        l2_sp({}, {"head": torch.ones(1)})
    with pytest.raises(ValueError, match=r"new w is \(2,\), old w is \(3,\)"):
        l2_sp({"w": torch.ones(2)}, {"w": torch.ones(3)})
    with pytest.raises(ValueError, match="at least one parameter"):
        l2_sp({"w": torch.ones(2)}, {})
