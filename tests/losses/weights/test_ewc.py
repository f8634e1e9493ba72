import numpy as np
import pytest
import torch

from modelheir.losses import ewc, ewc_of_several, l2_sp, unit_mean_fisher


def test_equals_numpy(draw):
    new, old = {"w": draw(3, 2), "b": draw(3)}, {"w": draw(3, 2), "b": draw(3)}
    fisher = {name: value.square() for name, value in old.items()}
    wanted = sum((fisher[k].numpy() * np.square(new[k].numpy() - old[k].numpy())).sum() for k in old)
    assert ewc(new, old, fisher).item() == pytest.approx(wanted, rel=1e-5)


def test_equal_importance_is_l2_sp(draw):
    new, old = {"w": draw(3, 2)}, {"w": draw(3, 2)}
    torch.testing.assert_close(ewc(new, old, {"w": torch.ones(3, 2)}), l2_sp(new, old))


def test_no_importance_is_free_to_move():
    new = torch.ones(2, requires_grad=True)
    ewc({"w": new}, {"w": torch.zeros(2)}, {"w": torch.tensor([0.0, 3.0])}).backward()
    assert new.grad is not None
    assert new.grad.tolist() == [0.0, 6.0]


def test_fisher_is_scaled_over_all_parameters_together(draw):
    scaled = unit_mean_fisher({"w": draw(3, 2).square(), "b": draw(3).square()})
    assert torch.cat([value.flatten() for value in scaled.values()]).mean().item() == pytest.approx(1.0)


def test_over_several_earlier_models_is_the_sum_and_remembers_none(draw):
    new = {"w": draw(3, 2)}
    earlier = [({"w": draw(3, 2)}, {"w": draw(3, 2).square()}) for _ in range(3)]
    wanted = sum((f["w"].numpy() * np.square(new["w"].numpy() - o["w"].numpy())).sum() for o, f in earlier)
    for _ in range(2):
        assert ewc_of_several(new, earlier).item() == pytest.approx(wanted, rel=1e-5)


def test_of_several_the_pull_at_a_common_anchor_is_zero(draw):
    anchor = {"w": draw(3, 2)}
    new = anchor["w"].clone().requires_grad_()
    ewc_of_several({"w": new}, [(anchor, {"w": draw(3, 2).square()})] * 2).backward()
    assert new.grad is not None
    assert not new.grad.any()


def test_says_what_is_wrong():
    one = {"w": torch.ones(2)}
    with pytest.raises(ValueError, match="no Fisher information"):
        ewc(one, one, {})
    with pytest.raises(ValueError, match="no counterpart in the new model"):
        ewc({}, one, one)
    with pytest.raises(ValueError, match="new w is"):
        ewc({"w": torch.ones(1)}, one, one)
    with pytest.raises(ValueError, match="at least one parameter"):
        unit_mean_fisher({})
    with pytest.raises(ValueError, match="earlier_models must be >= 1"):
        ewc_of_several(one, [])
    with pytest.raises(ValueError, match=r"parameter w is \(2,\), fisher is \(1,\)"):
        ewc(one, one, {"w": torch.ones(1)})
