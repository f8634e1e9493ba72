import numpy as np
import pytest
import torch

from modelheir.losses import RandomProjectionLoss, random_projection


def test_equals_numpy(draw):
    new, old = draw(7, 6), draw(7, 4)
    loss = RandomProjectionLoss(6, 4, width=3, seed=5)
    assert loss.new_weight is not None
    gap = new.numpy() @ loss.new_weight.detach().numpy().T - old.numpy() @ loss.old_weight.numpy().T
    np.testing.assert_allclose(loss.per_image(new, old).detach(), (gap**2).mean(1), rtol=1e-4)
    assert loss(new, old).item() == pytest.approx((gap**2).mean(), rel=1e-4)


def test_spread_of_the_draw():
    weight = RandomProjectionLoss(5, 900, width=64).old_weight
    assert weight.std().item() == pytest.approx((1 / 64) ** 0.5, rel=0.02)


def test_normalised_columns_have_unit_length(draw):
    loss = RandomProjectionLoss(6, 4, width=3, normalize=True, new_projection="frozen")
    units = loss.per_image(torch.zeros(4, 6), torch.eye(4))
    torch.testing.assert_close(units, torch.full((4,), 1 / 3))


@pytest.mark.parametrize(
    ("choice", "bias", "trainable"),
    [("learnable", False, 1), ("learnable", True, 2), ("frozen", True, 0), ("shared", True, 0)],
)
def test_what_is_trained(draw, choice, bias, trainable):
    loss = RandomProjectionLoss(4, 4, width=3, new_projection=choice, bias=bias)
    assert sum(p.requires_grad for p in loss.parameters()) == trainable
    if choice == "shared":
        same = draw(7, 4)
        assert loss(same, same).item() == 0


def test_seed_and_state_give_the_same_projection(draw):
    new, old = draw(7, 6), draw(7, 4)
    a, b, c = (RandomProjectionLoss(6, 4, width=3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(a(new, old), b(new, old))
    assert not torch.equal(a(new, old), c(new, old))
    c.load_state_dict(a.state_dict())
    assert torch.equal(a(new, old), c(new, old))


def test_drawing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    RandomProjectionLoss(6, 4)
    assert torch.equal(before, torch.get_rng_state())


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="equal feature widths, got 6 and 4"):
        RandomProjectionLoss(6, 4, new_projection="shared")
    with pytest.raises(ValueError, match="unknown new_projection"):
        RandomProjectionLoss(6, 4, new_projection="learned")  # pyright: ignore
    with pytest.raises(ValueError, match="shapes must be equal"):
        random_projection(draw(2, 3), draw(2, 4))
