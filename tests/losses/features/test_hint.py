import numpy as np
import pytest
import torch

from modelheir.losses import HintLoss


def test_vectors_equal_numpy(draw):
    new, old = draw(6, 5), draw(6, 3)
    loss = HintLoss((5,), (3,), seed=1)
    with torch.no_grad():
        loss.regressor.bias.copy_(draw(3))
    weight, bias = (part.detach().numpy() for part in (loss.regressor.weight, loss.regressor.bias))
    expected = ((new.numpy() @ weight.T + bias - old.numpy()) ** 2).mean(1)
    np.testing.assert_allclose(loss.per_image(new, old).detach(), expected, rtol=1e-4)
    assert loss(new, old).item() == pytest.approx(expected.mean(), rel=1e-4)


@pytest.mark.parametrize("old_size", [(4, 2), (2, 2), (8, 2)])  # the same, smaller, larger than the new map's
def test_maps_equal_numpy(draw, old_size):
    new, old = draw(6, 5, 4, 2), draw(6, 3, *old_size)
    loss = HintLoss((5, 4, 2), (3, *old_size))
    high = min(4, old_size[0])
    near = [x.numpy().reshape(6, x.shape[1], high, -1, 2).mean(3) for x in (new, old)]
    weight = loss.regressor.weight.detach().numpy()[:, :, 0, 0]
    expected = ((np.einsum("oc,nchw->nohw", weight, near[0]) - near[1]) ** 2).reshape(6, -1).mean(1)
    np.testing.assert_allclose(loss.per_image(new, old).detach(), expected, rtol=1e-4)


def test_training_the_regressor_alone_finds_a_linear_teacher(draw):
    new = draw(40, 4)
    old = new @ draw(4, 3)
    loss = HintLoss((4,), (3,))
    optimizer = torch.optim.LBFGS(loss.parameters(), max_iter=50)

    def closure():
        optimizer.zero_grad()
        value = loss(new, old)
        value.backward()
        return value

    optimizer.step(closure)
    assert loss(new, old).item() < 1e-6


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"vectors and maps cannot be compared, and new_shape is \(5,\)"):
        HintLoss((5,), (3, 2, 2))
    with pytest.raises(ValueError, match="lengths must be equal"):
        HintLoss((5,), (3,)).per_image(draw(2, 5), draw(3, 3))
