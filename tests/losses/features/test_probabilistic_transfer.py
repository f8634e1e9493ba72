import numpy as np
import pytest
import torch
from scipy.special import rel_entr

from modelheir.losses import probabilistic_transfer


def neighbours(x):
    rows = []
    for i in range(len(x)):
        kernel = [(1 + x[i] @ y / (np.linalg.norm(x[i]) * np.linalg.norm(y))) / 2 for y in np.delete(x, i, axis=0)]
        rows.append(np.array(kernel) / sum(kernel))
    return np.array(rows)


def test_equals_scipy(draw):
    new, old = draw(7, 4), draw(7, 3)
    expected = rel_entr(neighbours(old.double().numpy()), neighbours(new.double().numpy())).sum(1)
    np.testing.assert_allclose(probabilistic_transfer(new, old), expected, rtol=1e-3, atol=1e-6)


def test_scale_and_rotation_do_not_matter(draw):
    new, old = draw(7, 4), draw(7, 3)
    turned = 4 * new @ torch.linalg.qr(draw(4, 4)).Q
    torch.testing.assert_close(
        probabilistic_transfer(turned, old), probabilistic_transfer(new, old), rtol=1e-3, atol=1e-6
    )


def test_opposite_and_zero_features_stay_finite():
    new = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]], requires_grad=True)
    for old in (torch.eye(3), torch.tensor([[1.0], [1.0], [-1.0]])):
        value = probabilistic_transfer(new, old)
        value.sum().backward()
        assert value.isfinite().all()
        assert (value >= 0).all()
        assert new.grad is not None
        assert new.grad.isfinite().all()


def test_one_image_has_no_neighbours(draw):
    new = draw(1, 4).requires_grad_()
    with torch.autograd.set_detect_anomaly(True):  # no NaN on the way either
        value = probabilistic_transfer(new, draw(1, 3))
        value.sum().backward()
    assert value.tolist() == [0.0]
    assert new.grad is not None
    assert new.grad.tolist() == [[0.0] * 4]


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="two dimensions"):
        probabilistic_transfer(draw(2, 3, 1), draw(2, 3))
    with pytest.raises(ValueError, match="lengths must be equal"):
        probabilistic_transfer(draw(2, 3), draw(3, 3))
