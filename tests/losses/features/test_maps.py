import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.losses import activation_map, check_feature_shapes, check_feature_vectors, pool_to_smaller, unit_length


def test_the_larger_is_averaged_in_each_direction_by_itself(draw):
    new, old = draw(2, 3, 4, 2), draw(2, 5, 2, 6)
    a, b = pool_to_smaller(new, old)
    np.testing.assert_allclose(a, new.numpy().reshape(2, 3, 2, 2, 2).mean(3), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(b, old.numpy().reshape(2, 5, 2, 2, 3).mean(4), rtol=1e-5, atol=1e-7)


def test_maps_of_one_size_stay_and_the_old_one_is_constant(draw):
    new, old = draw(2, 3, 4, 4).requires_grad_(), draw(2, 3, 4, 4).requires_grad_()
    a, b = pool_to_smaller(new, old)
    assert torch.equal(a, new)
    assert torch.equal(b, old)
    assert (a.requires_grad, b.requires_grad) == (True, False)
    assert pool_to_smaller(new.half(), old.half())[1].dtype == torch.float32


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_unit_length_equals_numpy(draw, dim):
    values = draw(4, 3, 5)
    expected = values.numpy() / np.linalg.norm(values.numpy(), axis=dim, keepdims=True)
    np.testing.assert_allclose(unit_length(values, dim=dim), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [0.0, 1e-25, 1e-12, 1e12])
def test_small_vectors_have_finite_gradients(size):
    values = torch.tensor([[3.0, 4.0]]).mul(size).requires_grad_()
    length = unit_length(values)
    length[0, 0].backward()
    torch.testing.assert_close(length.detach(), torch.tensor([[0.6, 0.8]]) * (size > 1e-20), atol=0, rtol=1e-6)
    assert values.grad is not None
    assert values.grad.isfinite().all()
    assert values.grad.eq(0).all() == (size < 1e-20)  # without a direction there is none to turn


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_activation_map_equals_a_loop(draw, power):
    maps = draw(3, 4, 2, 5)
    for one, got in zip(maps.numpy(), activation_map(maps, power=power), strict=True):
        strength = np.array([[(abs(one[:, y, x]) ** power).sum() for x in range(5)] for y in range(2)]).ravel()
        np.testing.assert_allclose(got, strength / np.sqrt((strength**2).sum()), rtol=1e-4)


def test_says_what_is_wrong(draw):
    with pytest.raises(InputError, match=r"old must be feature maps \(N, C, H, W\), got shape \(2, 3\)"):
        pool_to_smaller(draw(2, 3, 4, 4), draw(2, 3))
    with pytest.raises(ValueError, match="lengths must be equal: new has 2, old has 1"):
        pool_to_smaller(draw(2, 3, 4, 4), draw(1, 3, 4, 4))
    with pytest.raises(ValueError, match="lengths must be equal"):
        check_feature_vectors(new=draw(2, 3), old=draw(1, 3))
    with pytest.raises(ValueError, match="two dimensions"):
        check_feature_vectors(new=draw(2, 3), old=draw(2, 3, 1))
    with pytest.raises(InputError, match=r"new_shape must be \(D,\) or \(C, H, W\), each at least 1, got \(2, 0, 1\)"):
        check_feature_shapes(1, 3, new_shape=(2, 0, 1), old_shape=(2,))
    with pytest.raises(InputError, match=r"new_shape is \(2,\), old_shape is \(2, 4, 4\)"):
        check_feature_shapes(1, 3, new_shape=(2,), old_shape=(2, 4, 4))
