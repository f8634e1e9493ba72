import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.losses import penalised_names, squared_norm


def test_equals_numpy_and_pulls_by_twice_the_weight(draw):
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))
    named = dict(net.named_parameters())
    value = squared_norm({name: named[name] for name in penalised_names(net)})
    wanted = sum((p.detach().numpy() ** 2).sum() for part in (net[0], net[3]) for p in part.parameters())
    assert value.item() == pytest.approx(wanted, rel=1e-5)
    (0.3 * value).backward()
    torch.testing.assert_close(net[0].weight.grad, 0.6 * net[0].weight.detach())
    assert net[1].weight.grad is None


def test_frozen_parameters_are_a_constant():
    frozen, free = torch.tensor([2.0]), torch.tensor([3.0], requires_grad=True)
    value = squared_norm({"a": frozen, "b": free})
    assert value.item() == 13
    value.backward()
    assert free.grad is not None
    assert free.grad.item() == 6


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-9, 9), min_size=1, max_size=6), st.floats(-3, 3))
def test_scales_with_the_square_and_however_it_is_split(values, factor):
    whole = torch.tensor(values, dtype=torch.float64)
    norm = squared_norm({"w": whole})
    torch.testing.assert_close(squared_norm({"w": factor * whole}), factor**2 * norm)
    torch.testing.assert_close(squared_norm({str(k): one for k, one in enumerate(whole)}), norm)
    assert norm.item() == pytest.approx(np.square(values).sum())


def test_half_precision_is_widened_and_nothing_is_refused():
    assert squared_norm({"w": torch.tensor([300.0]).half()}).item() == 90000
    with pytest.raises(ValueError, match="at least one parameter"):
        squared_norm({})
