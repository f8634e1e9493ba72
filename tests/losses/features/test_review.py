"""ReviewKD: the fusion from deep to shallow against a loop, and the hierarchical context."""

import numpy as np
import pytest

from modelheir.losses import ReviewLoss, hierarchical_context

NEW, OLD = ((3, 8, 8), (4, 4, 4), (5, 2, 2)), ((6, 8, 8), (7, 2, 2), (8, 4, 4))


def layers(draw, shapes, rows=4):
    return [draw(rows, *shape) for shape in shapes]


def halved(maps, size):
    """Averaged to ``size`` places a side, where that divides."""
    n, c, h, w = maps.shape
    return maps.reshape(n, c, size, h // size, size, w // size).mean((3, 5))


def context(gap):
    total, weights = (gap**2).mean((1, 2, 3)), [1.0]
    for size in (4, 2, 1):
        if size < gap.shape[2]:
            weights.append(weights[-1] / 2)
            total = total + weights[-1] * (halved(gap, size) ** 2).mean((1, 2, 3))
    return total / sum(weights)


@pytest.mark.parametrize("size", [8, 4, 2, 1])
def test_hierarchical_context_equals_numpy(draw, size):
    new, old = draw(5, 3, size, size), draw(5, 3, size, size)
    np.testing.assert_allclose(hierarchical_context(new, old), context((new - old).numpy()), rtol=1e-4)


def test_larger_maps_are_averaged_first(draw):
    new, old = draw(5, 3, 8, 8), draw(5, 3, 4, 4)
    np.testing.assert_allclose(hierarchical_context(new, old), context(halved(new.numpy(), 4) - old.numpy()), rtol=1e-4)


def conv(layer, maps):
    weight = layer.weight.detach().double().numpy()
    reach = weight.shape[2] // 2
    padded = np.pad(maps, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    out = np.zeros((len(maps), len(weight), *maps.shape[2:]))
    for y in range(maps.shape[2]):
        for x in range(maps.shape[3]):
            out[:, :, y, x] = np.einsum(
                "ncij,ocij->no", padded[:, :, y : y + weight.shape[2], x : x + weight.shape[2]], weight
            )
    return out if layer.bias is None else out + layer.bias.detach().numpy()[:, None, None]


def normed(layer, maps):
    out = conv(layer[0], maps)
    return (out - out.mean((0, 2, 3), keepdims=True)) / np.sqrt(out.var((0, 2, 3), keepdims=True) + 1e-5)


def test_fusion_equals_a_loop(draw):
    loss = ReviewLoss(NEW, OLD, width=6, seed=2)
    new, old = layers(draw, NEW), layers(draw, OLD)
    expected, fused = 0.0, None
    for i in (2, 1, 0):
        entered = normed(loss.entries[i], new[i].double().numpy())
        if fused is not None:
            deeper = fused.repeat(2, axis=2).repeat(2, axis=3)
            gate = 1 / (1 + np.exp(-conv(loss.gates[i], np.concatenate([entered, deeper], 1))))
            entered = entered * gate[:, :1] + deeper * gate[:, 1:]
        fused = entered
        mine, target = normed(loss.exits[i], fused), old[i].double().numpy()
        size = min(mine.shape[2], target.shape[2])
        expected = expected + context(halved(mine, size) - halved(target, size))
    np.testing.assert_allclose(loss.per_image(new, old).detach(), expected, rtol=1e-4)
    assert loss(new, old).item() == pytest.approx(expected.mean(), rel=1e-4)


def test_a_shallow_old_layer_reaches_every_deeper_new_one(draw):
    loss = ReviewLoss(NEW, OLD)
    new, old = ([maps.requires_grad_() for maps in layers(draw, shapes)] for shapes in (NEW, OLD))
    loss(new, old).backward()
    assert all(maps.grad is not None and maps.grad.ne(0).any() for maps in new)
    assert all(maps.grad is None for maps in old)
    assert all(p.grad is not None and p.grad.ne(0).any() for p in loss.parameters())


def test_one_layer_has_nothing_to_fuse(draw):
    loss = ReviewLoss([(3, 4, 4)], [(2, 4, 4)])
    assert len(loss.gates) == 0
    assert loss.per_image([draw(3, 3, 4, 4)], [draw(3, 2, 4, 4)]).shape == (3,)


def test_training_takes_two_images(draw):
    assert ReviewLoss(NEW, OLD).per_image(layers(draw, NEW, 2), layers(draw, OLD, 2)).shape == (2,)


def test_evaluation_takes_one_image(draw):
    assert ReviewLoss(NEW, OLD).eval().per_image(layers(draw, NEW, 1), layers(draw, OLD, 1)).shape == (1,)


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="review pairs layers, got 3 new and 2 old ones"):
        ReviewLoss(NEW, OLD[:2])
    with pytest.raises(ValueError, match="made for 3 layers, got 3 new and 2 old"):
        ReviewLoss(NEW, OLD).per_image(layers(draw, NEW), layers(draw, OLD[:2]))
    with pytest.raises(ValueError, match="at least two images"):
        ReviewLoss(NEW, OLD).per_image(layers(draw, NEW, 1), layers(draw, OLD, 1))
    with pytest.raises(ValueError, match="layers must be >= 1"):
        ReviewLoss((), ())
    with pytest.raises(ValueError, match="shapes must be equal"):
        hierarchical_context(draw(2, 3, 4, 4), draw(2, 2, 4, 4))
