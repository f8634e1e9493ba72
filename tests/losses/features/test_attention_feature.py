"""AFD: attention that adds up, maps that agree, and a loop over layers and places."""

import numpy as np
import pytest
import torch

from modelheir.losses import AttentionFeatureLoss

NEW, OLD = ((3, 4, 4), (5, 2, 2), (4, 3, 1)), ((4, 2, 2), (6, 3, 1))


def layers(draw, shapes, rows=5):
    return [draw(rows, *shape) for shape in shapes]


def normed(rows):
    return (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5)


def affine(layer, rows):
    return rows @ layer[0].weight.detach().double().numpy().T


def pooled(strength, height, width):
    """Adaptive average pooling by its definition: cells from floor(i H / h) to ceil((i + 1) H / h)."""
    high, wide = strength.shape
    rows = [slice(i * high // height, -(-(i + 1) * high // height)) for i in range(height)]
    columns = [slice(i * wide // width, -(-(i + 1) * wide // width)) for i in range(width)]
    return np.array([strength[r, c].mean() for r in rows for c in columns])


def test_equals_a_loop(draw):
    loss = AttentionFeatureLoss(NEW, OLD, width=7, seed=3)
    new, old = layers(draw, NEW), layers(draw, OLD)
    attention = loss.attention(new, old).detach().numpy()

    keys = [
        np.maximum(normed(affine(k, x.mean((2, 3)).double().numpy())), 0) for k, x in zip(loss.keys, new, strict=True)
    ]
    mixed = normed(affine(loss.shared_key, np.stack(keys, 1).reshape(15, 7))).reshape(5, 3, 2, 7)
    queries = [normed(affine(q, x.mean((2, 3)).double().numpy())) for q, x in zip(loss.queries, old, strict=True)]
    p_old, p_new = (p.detach().double().numpy() for p in (loss.old_positions, loss.new_positions))
    expected = np.zeros(5)
    for b in range(5):
        for j in range(2):
            logits = np.array([mixed[b, i, j] @ queries[j][b] + p_old[j] @ p_new[i] for i in range(3)]) / np.sqrt(7)
            weights = np.exp(logits) / np.exp(logits).sum()
            np.testing.assert_allclose(attention[b, j], weights, rtol=1e-3)
            target = (old[j][b].numpy() ** 2).mean(0).ravel()
            target = target / np.linalg.norm(target)
            for i in range(3):
                v = pooled((new[i][b].numpy() ** 2).mean(0), *OLD[j][1:])
                expected[b] += weights[i] * ((v / np.linalg.norm(v) - target) ** 2).mean()
    np.testing.assert_allclose(loss.per_image(new, old).detach(), expected, rtol=1e-3)
    assert loss(new, old).item() == pytest.approx(expected.mean(), rel=1e-3)


def test_attention_of_each_old_layer_adds_up_to_one(draw):
    loss = AttentionFeatureLoss(NEW, OLD)
    attention = loss.attention(layers(draw, NEW), layers(draw, OLD))
    assert attention.shape == (5, 2, 3)
    assert (attention > 0).all()
    torch.testing.assert_close(attention.sum(dim=2), torch.ones(5, 2))


def test_equal_maps_give_zero(draw):
    maps = draw(5, 3, 4, 4)
    value = AttentionFeatureLoss([(3, 4, 4)] * 3, [(3, 4, 4)] * 2).per_image([maps] * 3, [maps] * 2)
    torch.testing.assert_close(value, torch.zeros(5), atol=1e-12, rtol=0)


def test_all_weights_are_trained_and_the_old_model_is_not(draw):
    loss = AttentionFeatureLoss(NEW, OLD)
    new, old = ([maps.requires_grad_() for maps in layers(draw, shapes)] for shapes in (NEW, OLD))
    loss(new, old).backward()
    assert all(maps.grad is not None and maps.grad.ne(0).any() for maps in new)
    assert all(maps.grad is None for maps in old)
    assert all(p.grad is not None and p.grad.ne(0).any() for p in loss.parameters())


def test_silent_layers_stay_finite(draw):
    loss = AttentionFeatureLoss(NEW, OLD)
    new = [torch.zeros_like(maps).requires_grad_() for maps in layers(draw, NEW)]
    loss(new, layers(draw, OLD)).backward()
    assert all(maps.grad is not None and maps.grad.isfinite().all() for maps in new)


def test_training_takes_two_images(draw):
    assert AttentionFeatureLoss(NEW, OLD).per_image(layers(draw, NEW, 2), layers(draw, OLD, 2)).shape == (2,)


def test_evaluation_takes_one_image(draw):
    loss = AttentionFeatureLoss(NEW, OLD)
    assert loss.eval().per_image(layers(draw, NEW, 1), layers(draw, OLD, 1)).shape == (1,)


def test_says_what_is_wrong(draw):
    loss = AttentionFeatureLoss(NEW, OLD)
    with pytest.raises(ValueError, match="at least two images"):
        loss.per_image(layers(draw, NEW, 1), layers(draw, OLD, 1))
    with pytest.raises(ValueError, match="made for 3 new and 2 old layers, got 3 and 1"):
        loss.per_image(layers(draw, NEW), layers(draw, OLD[:1]))
    with pytest.raises(ValueError, match="lengths must be equal"):
        loss.per_image(layers(draw, NEW), layers(draw, OLD, 4))
    with pytest.raises(ValueError, match="old_layers must be >= 1"):
        AttentionFeatureLoss(NEW, ())
    with pytest.raises(ValueError, match=r"old_shapes\[1\] must be \(C, H, W\)"):
        AttentionFeatureLoss(NEW, ((4, 2, 2), (4,)))
