import pytest
import torch

from modelheir.losses.weights.matched import differences


def test_only_names_with_an_old_value_are_there_and_gradients_flow_to_the_new():
    new, old = torch.tensor([3.0], requires_grad=True), torch.tensor([1.0], requires_grad=True)
    found = differences({"free": torch.ones(2), "w": new}, {"w": old})
    assert list(found) == ["w"]
    found["w"].square().sum().backward()
    assert new.grad is not None
    assert new.grad.item() == 4
    assert old.grad is None


def test_half_precision_is_widened_before_it_is_subtracted():
    found = differences({"w": torch.tensor([60000.0]).half()}, {"w": torch.tensor([-60000.0]).half()})
    assert found["w"].dtype == torch.float32
    assert found["w"].isfinite().all()


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="parameter head has an old value and no counterpart"):
        differences({}, {"head": torch.ones(1)})
    with pytest.raises(ValueError, match=r"new w is \(2,\), old w is \(3,\)"):
        differences({"w": torch.ones(2)}, {"w": torch.ones(3)})
