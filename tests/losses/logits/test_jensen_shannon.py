import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from modelheir.losses import jensen_shannon

NEW = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]], dtype=torch.float64)
OLD = torch.tensor([[3.0, 2.0, 1.0], [0.0, 0.5, -0.5]], dtype=torch.float64)


def test_known_value():
    assert jensen_shannon(NEW, OLD).mean().item() == pytest.approx(0.1728729213, abs=1e-9)


@given(seed=st.integers(0, 2**16), scale=st.sampled_from([0.1, 1, 10]))
@settings(max_examples=25, deadline=None)
def test_equals_scipy_is_symmetric_and_bounded(seed, scale):
    new, old = np.random.default_rng(seed).normal(size=(2, 7, 5)) * scale
    wanted = jensenshannon(softmax(new, axis=1), softmax(old, axis=1), axis=1) ** 2
    value = jensen_shannon(torch.tensor(new), torch.tensor(old))
    np.testing.assert_allclose(value, wanted, rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(jensen_shannon(torch.tensor(old), torch.tensor(new)), value)
    assert (value <= np.log(2) + 1e-12).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_far_half_precision_logits_are_finite(dtype):
    new = torch.tensor([[60.0, -60.0]], dtype=dtype, requires_grad=True)
    value = jensen_shannon(new, torch.tensor([[-60.0, 60.0]], dtype=dtype))
    value.sum().backward()
    assert value.item() == pytest.approx(np.log(2))
    assert new.grad is not None
    assert new.grad.isfinite().all()


def test_autograd_agrees_with_finite_differences(draw):
    new, old = draw(3, 4, dtype=torch.float64).requires_grad_(), draw(3, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: jensen_shannon(z, old), new)


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"new is \(2, 3\), old is \(2, 2\)"):
        jensen_shannon(draw(2, 3), draw(2, 2))
