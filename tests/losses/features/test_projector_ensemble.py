import numpy as np
import pytest
import torch

from modelheir.losses import ProjectorEnsembleLoss


def set_bias(loss, values):
    with torch.no_grad():
        loss.projection.bias.copy_(values)


def loop(loss, new, old, projectors):
    weight, bias = (part.detach().double().numpy() for part in (loss.projection.weight, loss.projection.bias))
    width = len(bias) // projectors
    values = []
    for x, target in zip(new, old, strict=True):
        each = [
            np.maximum(weight[q * width : (q + 1) * width] @ x + bias[q * width : (q + 1) * width], 0)
            for q in range(projectors)
        ]
        f = sum(each) / projectors
        values.append(1 - f @ target / (np.linalg.norm(f) * np.linalg.norm(target)))
    return values


@pytest.mark.parametrize("projectors", [1, 3])
def test_equals_a_loop(draw, projectors):
    new, old = draw(6, 5), draw(6, 4)
    loss = ProjectorEnsembleLoss((5,), (4,), projectors=projectors, seed=2)
    set_bias(loss, draw(4 * projectors))
    np.testing.assert_allclose(
        loss.per_image(new, old).detach(), loop(loss, new.numpy(), old.numpy(), projectors), rtol=1e-4
    )
    assert loss(new, old).item() == pytest.approx(loss.per_image(new, old).mean().item())


def test_maps_are_flattened_or_averaged(draw):
    new, old = draw(6, 3, 2, 2), draw(6, 2, 4, 1)
    flat = ProjectorEnsembleLoss((3, 2, 2), (2, 4, 1), pooling="flatten")
    expected = loop(flat, new.reshape(6, 12).numpy(), old.reshape(6, 8).numpy(), 3)
    np.testing.assert_allclose(flat.per_image(new, old).detach(), expected, rtol=1e-4)
    mean = ProjectorEnsembleLoss((3, 2, 2), (2, 4, 1))
    expected = loop(mean, new.mean((2, 3)).numpy(), old.mean((2, 3)).numpy(), 3)
    np.testing.assert_allclose(mean.per_image(new, old).detach(), expected, rtol=1e-4)


def test_the_scale_of_features_does_not_matter(draw):
    new, old = draw(6, 5), draw(6, 4)
    loss = ProjectorEnsembleLoss((5,), (4,))  # biases start at zero, so the student's scale is free as well
    torch.testing.assert_close(loss.per_image(20 * new, 0.01 * old), loss.per_image(new, old))


def test_projectors_that_all_give_zero_give_no_nan(draw):
    new, old = draw(6, 5).requires_grad_(), draw(6, 4)
    loss = ProjectorEnsembleLoss((5,), (4,))
    set_bias(loss, torch.full((12,), -100.0))
    value = loss.per_image(new, old)
    assert value.tolist() == [1.0] * 6
    value.sum().backward()
    assert new.grad is not None
    assert new.grad.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in loss.parameters())
    assert ProjectorEnsembleLoss((5,), (4,)).per_image(new, torch.zeros(6, 4)).tolist() == [1.0] * 6


def test_projectors_start_apart_with_the_variance_that_a_relu_halves():
    weight = ProjectorEnsembleLoss((200,), (50,)).projection.weight
    assert weight.var().item() == pytest.approx(2 / 200, rel=0.05)
    parts = ProjectorEnsembleLoss((5,), (4,)).projection.weight.view(3, 4, 5)
    assert not torch.equal(parts[0], parts[1])
    assert not torch.equal(parts[1], parts[2])


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="projectors must be >= 1"):
        ProjectorEnsembleLoss((5,), (4,), projectors=0)
    with pytest.raises(ValueError, match="unknown pooling 'flat'"):
        ProjectorEnsembleLoss((5,), (4,), pooling="flat")  # pyright: ignore
    with pytest.raises(ValueError, match=r"vectors and maps cannot be compared, and new_shape is \(5,\)"):
        ProjectorEnsembleLoss((5,), (4, 2, 2))
