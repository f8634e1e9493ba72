import numpy as np
import pytest
import torch

from modelheir.losses import neuron_selectivity


def loop(new, old):
    """Squared MMD with the kernel (x . y)^2 between channels of unit length."""
    values = []
    for f, g in zip(new, old, strict=True):
        f, g = ([c.ravel() / np.linalg.norm(c) for c in part] for part in (f, g))
        mean = lambda a, b: np.mean([(x @ y) ** 2 for x in a for y in b])  # noqa: E731
        values.append(mean(f, f) + mean(g, g) - 2 * mean(f, g))
    return values


# more channels than places, as many, and more places than channels
@pytest.mark.parametrize(("new_channels", "old_channels", "size"), [(7, 5, (2, 3)), (3, 6, (2, 3)), (3, 4, (4, 3))])
def test_equals_a_loop(draw, new_channels, old_channels, size):
    new, old = draw(4, new_channels, *size), draw(4, old_channels, *size)
    np.testing.assert_allclose(neuron_selectivity(new, old), loop(new.numpy(), old.numpy()), rtol=1e-3, atol=1e-6)


def test_the_larger_map_is_averaged(draw):
    new, old = draw(4, 3, 4, 4), draw(4, 5, 2, 2)
    near = new.numpy().reshape(4, 3, 2, 2, 2, 2).mean((3, 5))
    np.testing.assert_allclose(neuron_selectivity(new, old), loop(near, old.numpy()), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 2), (4, 4)])
def test_channels_have_no_order_no_scale_and_count_as_a_distribution(draw, size):
    new, old = draw(4, 3, *size), draw(4, 5, *size)
    value = neuron_selectivity(new, old)
    torch.testing.assert_close(neuron_selectivity(5 * new.flip(1), old), value, rtol=1e-3, atol=1e-6)
    twice = torch.cat([new, new], dim=1)
    torch.testing.assert_close(neuron_selectivity(twice, new), torch.zeros(4), atol=1e-6, rtol=0)


def test_silent_channels_stay_finite(draw):
    new = draw(2, 3, 2, 2)
    new[:, 0] = 0
    new.requires_grad_()
    neuron_selectivity(new, draw(2, 3, 2, 2)).sum().backward()
    assert new.grad is not None
    assert new.grad.isfinite().all()


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="new must be feature maps"):
        neuron_selectivity(draw(2, 3), draw(2, 3))
