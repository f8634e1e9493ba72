import numpy as np
import pytest
import torch

from modelheir.losses import MaskedGenerativeLoss


def convolved(layer, maps):
    """A 3 x 3 or 1 x 1 convolution by its definition."""
    weight, bias = (part.detach().double().numpy() for part in (layer.weight, layer.bias))
    reach = weight.shape[2] // 2
    padded = np.pad(maps, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    out = np.zeros((len(maps), len(weight), *maps.shape[2:]))
    for y in range(maps.shape[2]):
        for x in range(maps.shape[3]):
            part = padded[:, :, y : y + 2 * reach + 1, x : x + 2 * reach + 1]
            out[:, :, y, x] = np.einsum("ncij,ocij->no", part, weight) + bias
    return out


def biased(loss, draw):
    with torch.no_grad():
        for name, parameter in loss.named_parameters():
            if name.endswith("bias"):
                parameter.copy_(draw(*parameter.shape))
    return loss


@pytest.mark.parametrize("channels", [3, 5])  # the same number as the old map, and another
def test_equals_a_loop(draw, channels):
    new, old = draw(4, channels, 2, 3), draw(4, 3, 2, 3)
    loss = biased(MaskedGenerativeLoss((channels, 2, 3), (3, 2, 3), mask_share=0.4, scale=2.0, seed=1), draw)
    mask = torch.rand(4, 3, 1, 1, generator=torch.Generator().manual_seed(7)) >= 0.4
    assert 0 < mask.sum() < 12
    aligned = new.double().numpy() if channels == 3 else convolved(loss.align, new.double().numpy())
    first, _, second = loss.generation
    rebuilt = convolved(second, np.maximum(convolved(first, aligned * mask.numpy()), 0))
    expected = 2.0 * ((rebuilt - old.numpy()) ** 2).reshape(4, -1).mean(1)
    got = loss.per_image(new, old, generator=torch.Generator().manual_seed(7))
    np.testing.assert_allclose(got.detach(), expected, rtol=1e-4)


def test_without_masks_nothing_is_drawn_that_matters(draw):
    new, old = draw(4, 3, 2, 2), draw(4, 3, 2, 2)
    loss = MaskedGenerativeLoss((3, 2, 2), (3, 2, 2), mask_share=0.0)
    assert torch.equal(loss.per_image(new, old), loss.per_image(new, old))
    other = MaskedGenerativeLoss((3, 2, 2), (3, 2, 2), mask_share=0.5)
    assert not torch.equal(other.per_image(new, old), other.per_image(new, old))


def test_with_every_channel_left_out_the_student_does_not_matter(draw):
    old = draw(4, 3, 2, 2)
    loss = biased(MaskedGenerativeLoss((5, 2, 2), (3, 2, 2), mask_share=1.0), draw)
    a, b = (draw(4, 5, 2, 2).requires_grad_() for _ in range(2))
    value = loss.per_image(a, old)
    assert torch.equal(value, loss.per_image(b, old))
    assert value.ne(0).all()
    value.sum().backward()
    assert a.grad is None or a.grad.eq(0).all()


def test_masks_leave_out_that_share_of_whole_channels(draw):
    loss = MaskedGenerativeLoss((200, 1, 1), (200, 1, 1), mask_share=0.15)
    seen = []
    loss.generation.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    loss.per_image(torch.ones(50, 200, 1, 1), draw(50, 200, 1, 1))
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}
    assert 1 - seen[0].mean().item() == pytest.approx(0.15, abs=0.02)
    wide = MaskedGenerativeLoss((4, 3, 3), (4, 3, 3), mask_share=0.5)
    wide.generation.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    wide.per_image(torch.ones(9, 4, 3, 3), draw(9, 4, 3, 3))
    channels = seen[1].mean(dim=(2, 3))
    assert set(channels.unique().tolist()) == {0.0, 1.0}
    assert not (channels == channels[:1]).all()  # each image has its own


def test_weights_start_by_the_gradients_fan():
    loss = MaskedGenerativeLoss((4, 2, 2), (64, 2, 2))
    assert loss.generation[0].weight.var().item() == pytest.approx(2 / (9 * 64), rel=0.03)
    wide = MaskedGenerativeLoss((400, 2, 2), (50, 2, 2))
    assert wide.align.weight.var().item() == pytest.approx(2 / 50, rel=0.05)
    assert isinstance(MaskedGenerativeLoss((4, 2, 2), (4, 2, 2)).align, torch.nn.Identity)


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="maps must have one size, got 4 x 4 and 2 x 4"):
        MaskedGenerativeLoss((3, 4, 4), (3, 2, 4))
    with pytest.raises(ValueError, match="mask_share must be from 0 to 1"):
        MaskedGenerativeLoss((3, 4, 4), (3, 4, 4), mask_share=1.5)
    with pytest.raises(ValueError, match="scale must be > 0"):
        MaskedGenerativeLoss((3, 4, 4), (3, 4, 4), scale=0.0)
    with pytest.raises(ValueError, match="got 4 x 4 and 2 x 2"):
        MaskedGenerativeLoss((3, 4, 4), (3, 4, 4)).per_image(draw(2, 3, 4, 4), draw(2, 3, 2, 2))
