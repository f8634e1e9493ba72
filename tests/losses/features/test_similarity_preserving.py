import numpy as np
import pytest
import torch

from modelheir.losses import similarity_preserving


def test_equals_numpy_and_the_mean_is_the_papers_loss(draw):
    new, old = draw(7, 4), draw(7, 3)
    tables = []
    for x in (new.numpy(), old.numpy()):
        g = np.array([[a @ b for b in x] for a in x])
        tables.append(g / np.sqrt((g**2).sum(1))[:, None])
    value = similarity_preserving(new, old)
    np.testing.assert_allclose(value, ((tables[0] - tables[1]) ** 2).mean(1), rtol=1e-3, atol=1e-7)
    assert value.mean().item() == pytest.approx(np.linalg.norm(tables[0] - tables[1]) ** 2 / 49, rel=1e-4)


def test_maps_are_flattened(draw):
    new, old = draw(5, 3, 2, 2), draw(5, 4, 1, 3)
    torch.testing.assert_close(similarity_preserving(new, old), similarity_preserving(new.flatten(1), old.flatten(1)))


def test_scale_and_rotation_do_not_matter(draw):
    new, old = draw(7, 4), draw(7, 3)
    turned = 4 * new @ torch.linalg.qr(draw(4, 4)).Q
    torch.testing.assert_close(
        similarity_preserving(turned, old), similarity_preserving(new, old), rtol=1e-3, atol=1e-6
    )


def test_zero_features_stay_finite(draw):
    new = torch.zeros(3, 4, requires_grad=True)
    similarity_preserving(new, draw(3, 4)).sum().backward()
    assert new.grad is not None
    assert new.grad.isfinite().all()


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="lengths must be equal: new has 2, old has 3"):
        similarity_preserving(draw(2, 3), draw(3, 3))
