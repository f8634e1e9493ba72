import numpy as np
import pytest
import torch

from modelheir.losses import attention_transfer


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("old_size", [(4, 2), (2, 2), (8, 2)])
def test_equals_a_loop(draw, power, old_size):
    new, old = draw(5, 3, 4, 2), draw(5, 6, *old_size)
    high, expected = min(4, old_size[0]), []
    for i in range(5):
        vectors = []
        for maps in (new[i].numpy(), old[i].numpy()):
            near = maps.reshape(len(maps), high, -1, 2).mean(2)
            a = sum(np.abs(channel) ** power for channel in near).ravel()
            vectors.append(a / np.sqrt((a**2).sum()))
        expected.append(((vectors[0] - vectors[1]) ** 2).mean())
    np.testing.assert_allclose(attention_transfer(new, old, power=power), expected, rtol=1e-4, atol=1e-7)


def test_scale_sign_and_order_of_channels_do_not_matter(draw):
    new, old = draw(5, 3, 4, 2), draw(5, 6, 4, 2)
    torch.testing.assert_close(attention_transfer(-3 * new.flip(1), 0.1 * old), attention_transfer(new, old))


def test_silent_maps_stay_finite(draw):
    new = torch.zeros(2, 3, 4, 4, requires_grad=True)
    attention_transfer(new, draw(2, 3, 4, 4)).sum().backward()
    assert new.grad is not None
    assert new.grad.isfinite().all()


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="feature maps"):
        attention_transfer(draw(2, 3), draw(2, 3))
    with pytest.raises(ValueError, match="power must be >= 1"):
        attention_transfer(draw(2, 3, 2, 2), draw(2, 3, 2, 2), power=0.5)
