import numpy as np
import pytest
import torch
from torch.nn import functional

from modelheir.losses import spherical

NEW = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]], dtype=torch.float64)
OLD = torch.tensor([[3.0, 2.0, 1.0], [0.0, 0.5, -0.5]], dtype=torch.float64)
LABELS = torch.tensor([2, 0])


def test_known_values():
    assert spherical(NEW, OLD, LABELS, alpha=1.0).mean().item() == pytest.approx(4.6685524792, abs=1e-9)
    assert spherical(NEW, OLD, LABELS, alpha=0.0).mean().item() == pytest.approx(0.2398550415, abs=1e-9)
    assert spherical(NEW, OLD, LABELS).mean().item() == pytest.approx(4.2256827353, abs=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_equals_layer_norm_and_cross_entropy(draw, temperature):
    new, old, labels = draw(7, 5, scale=3.0), draw(7, 5), torch.arange(7) % 5
    n, o = (3 * functional.layer_norm(z, (5,), eps=1e-7) for z in (new, old))
    kd = functional.cross_entropy(n / temperature, (o / temperature).softmax(1), reduction="none") * temperature**2
    wanted = 0.8 * kd + 0.2 * functional.cross_entropy(n, labels, reduction="none")
    value = spherical(new, old, labels, alpha=0.8, multiplier=3.0, temperature=temperature)
    torch.testing.assert_close(value, wanted)


def test_the_size_of_either_side_does_not_count(draw):
    new, old, labels = draw(7, 5), draw(7, 5), torch.arange(7) % 5
    torch.testing.assert_close(
        spherical(0.3 * new + 1, 9 * old - 2, labels), spherical(new, old, labels), rtol=1e-4, atol=1e-4
    )


def test_unlabelled_images_have_only_the_old_part(draw):
    new, old, none = draw(7, 5), draw(7, 5), torch.full((7,), -1)
    torch.testing.assert_close(spherical(new, old, none), 0.9 * spherical(new, old, none, alpha=1.0))


def test_equal_logits_stay_finite():
    new = torch.full((2, 3), 5.0, requires_grad=True)
    value = spherical(new, torch.zeros(2, 3), LABELS)
    value.sum().backward()
    np.testing.assert_allclose(value.detach(), np.log(3), rtol=1e-6)
    assert new.grad is not None
    assert new.grad.isfinite().all()


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="alpha must be from 0 to 1"):
        spherical(draw(2, 3), draw(2, 3), LABELS, alpha=1.5)
    with pytest.raises(ValueError, match="multiplier must be > 0"):
        spherical(draw(2, 3), draw(2, 3), LABELS, multiplier=0)
