import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.losses import feature_distance

DISTANCES = {
    "l1": np.abs,
    "l2": np.square,
    "smooth_l1": lambda d: np.where(np.abs(d) < 1, d**2 / 2, np.abs(d) - 0.5),
}


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 3, 2, 4)])
def test_equals_numpy_whatever_the_rank(draw, distance, shape):
    new, old = draw(*shape, scale=2.0), draw(*shape)
    expected = DISTANCES[distance]((new - old).numpy()).reshape(6, -1).mean(1)
    np.testing.assert_allclose(feature_distance(new, old, distance=distance), expected, rtol=1e-5)


def test_is_the_udml_distance_over_all_elements(draw):
    new, old = draw(5, 3, 2, 2), draw(5, 3, 2, 2)
    torch.testing.assert_close(feature_distance(new, old).mean(), torch.nn.functional.mse_loss(new, old))


@pytest.mark.parametrize("distance", DISTANCES)
def test_both_models_learn_where_asked(draw, distance):
    new, old = draw(4, 3).requires_grad_(), draw(4, 3).requires_grad_()
    feature_distance(new, old, distance=distance, both=True).sum().backward()
    assert new.grad is not None
    assert old.grad is not None
    torch.testing.assert_close(new.grad, -old.grad)
    assert not feature_distance(new.detach(), old, distance=distance).requires_grad


def test_says_what_is_wrong(draw):
    with pytest.raises(InputError, match=r"must have one shape, got \(2, 3\) and \(2, 4\): tap others, or take hint"):
        feature_distance(draw(2, 3), draw(2, 4))
    with pytest.raises(InputError, match=r"unknown distance 'smoth_l1'\. Did you mean 'smooth_l1'"):
        feature_distance(draw(2, 3), draw(2, 3), distance="smoth_l1")  # pyright: ignore
