import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from modelheir.losses import ContrastiveRepresentationLoss


def similarities(loss, new, old):
    sides = []
    for layer, x in ((loss.new_projection, new), (loss.old_projection, old)):
        z = x.double().numpy() @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
        sides.append(z / np.linalg.norm(z, axis=1, keepdims=True))
    return sides[0] @ sides[1].T


def test_equals_scipy(draw):
    new, old = draw(7, 4), draw(7, 3)
    loss = ContrastiveRepresentationLoss(4, 3, width=5, temperature=0.3, seed=1)
    s = similarities(loss, new, old) / 0.3
    expected = -(np.diag(log_softmax(s, axis=1)) + np.diag(log_softmax(s, axis=0))) / 2
    np.testing.assert_allclose(loss.per_image(new, old).detach(), expected, rtol=1e-4)
    assert loss(new, old).item() == pytest.approx(expected.mean(), rel=1e-4)


def test_features_that_all_agree_tell_nothing_apart():
    value = ContrastiveRepresentationLoss(4, 3).per_image(torch.ones(6, 4), torch.ones(6, 3))
    torch.testing.assert_close(value, torch.full((6,), np.log(6)))


def test_one_image_has_no_others(draw):
    assert ContrastiveRepresentationLoss(4, 3).per_image(draw(1, 4), draw(1, 3)).tolist() == [0.0]


def test_both_projections_are_trained_and_start_apart(draw):
    loss = ContrastiveRepresentationLoss(4, 4)
    assert not torch.equal(loss.new_projection.weight, loss.old_projection.weight)
    loss(draw(6, 4), draw(6, 4)).backward()
    weights = (loss.new_projection.weight, loss.old_projection.weight)
    assert all(weight.grad is not None and weight.grad.ne(0).any() for weight in weights)


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="temperature must be > 0"):
        ContrastiveRepresentationLoss(4, 3, temperature=0.0)
    with pytest.raises(ValueError, match="old_features must be >= 1"):
        ContrastiveRepresentationLoss(4, 0)
    with pytest.raises(ValueError, match="lengths must be equal"):
        ContrastiveRepresentationLoss(4, 3).per_image(draw(2, 4), draw(3, 3))
