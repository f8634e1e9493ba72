"""RKD: the values of the specification, its invariances, a loop, and what it holds in memory."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.losses import relational
from modelheir.losses.features import relational as file

NEW = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
OLD = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]], dtype=torch.float64)


def smooth(x):
    return np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5)


def loop(new, old):
    """Rows of the distance and of the angle term, from their definition."""
    count, tables = len(new), []
    for x in (new, old):
        d = np.array([[max(np.linalg.norm(x[i] - x[j]), 1e-6) for j in range(count)] for i in range(count)])
        a = np.zeros((count, count, count))
        for i in range(count):
            for j in range(count):
                for k in range(count):
                    if i not in (j, k):
                        a[i, j, k] = (x[j] - x[i]) @ (x[k] - x[i]) / (d[i, j] * d[i, k])
        tables.append((d / d.mean(), a))
    (d, a), (d_old, a_old) = tables
    return smooth(d - d_old).mean(1), smooth(a - a_old).mean((1, 2))


def test_values_of_the_specification():
    distance = relational(NEW, OLD, angle_weight=0.0).mean().item()
    angle = relational(NEW, OLD, distance_weight=0.0).mean().item()
    assert distance == pytest.approx(0.0662037408, abs=1e-9)
    assert angle == pytest.approx(0.0272255161, abs=1e-9)
    assert relational(NEW, OLD).mean().item() == pytest.approx(distance + angle, abs=1e-12)
    paper = relational(NEW, OLD, distance_weight=25.0, angle_weight=50.0).mean().item()
    assert paper == pytest.approx(25 * distance + 50 * angle, abs=1e-9)


@pytest.mark.parametrize("most", [1, 200, 2**22])  # one anchor at a time, some, all
def test_equals_a_loop_however_many_anchors_a_block_holds(draw, monkeypatch, most):
    monkeypatch.setattr(file, "_MOST", most)
    new, old = draw(7, 4, dtype=torch.float64), draw(7, 3, dtype=torch.float64)
    distance, angle = loop(new.numpy(), old.numpy())
    np.testing.assert_allclose(relational(new, old, angle_weight=0.0), distance, rtol=1e-6)
    np.testing.assert_allclose(relational(new, old, distance_weight=0.0), angle, rtol=1e-6)
    np.testing.assert_allclose(relational(new, old, distance_weight=2.0), 2 * distance + angle, rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), scale=st.floats(0.05, 50.0), shift=st.floats(-5.0, 5.0))
def test_rotation_translation_and_scale_change_nothing(seed, scale, shift):
    generator = torch.Generator().manual_seed(seed)
    new, old = (torch.randn(8, 4, generator=generator) for _ in range(2))
    turn = torch.linalg.qr(torch.randn(4, 4, generator=generator)).Q
    moved = scale * (new @ turn + shift)
    torch.testing.assert_close(relational(moved, old), relational(new, old), atol=1e-5, rtol=0)
    torch.testing.assert_close(relational(new, moved), torch.zeros(8), atol=1e-5, rtol=0)


def test_images_with_the_same_features_have_finite_gradients(draw):
    new = draw(5, 3)
    new[1] = new[0]
    for features in (new, torch.zeros(5, 3)):
        leaf = features.clone().requires_grad_()
        value = relational(leaf, draw(5, 3))
        value.sum().backward()
        assert value.isfinite().all()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()


def test_near_images_far_from_the_origin_keep_their_distances():
    """Squared lengths of 1e8 minus each other would leave nothing of distances of 1 in float32."""
    far = torch.tensor([[1e4, 0.0], [1e4, 1.0], [1e4 + 2, 0.0]])
    torch.testing.assert_close(relational(far, far - 1e4), torch.zeros(3), atol=1e-6, rtol=0)


def test_one_image_has_no_relations(draw):
    assert relational(draw(1, 3), draw(1, 3)).tolist() == [0.0]


def test_maps_are_flattened_or_pooled_first(draw):
    new, old = draw(4, 2, 4, 4), draw(4, 3, 2, 2)
    torch.testing.assert_close(relational(new, old), relational(new.flatten(1), old.flatten(1)))
    means = new.reshape(4, 2, 2, 2, 2, 2).mean(dim=(3, 5)).flatten(1)
    torch.testing.assert_close(relational(new, old, pool_size=2), relational(means, old.flatten(1)))


def test_no_values_of_all_triples_are_kept(draw, monkeypatch):
    """Between the passes the graph holds a few matrices of pairs, whatever the number of triples."""
    monkeypatch.setattr(file, "_MOST", 1)
    new, held = draw(24, 5).requires_grad_(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: held.append(t.numel()) or t, lambda t: t):
        value = relational(new, draw(24, 5))
    assert max(held) <= 24 * 24
    assert sum(held) < 24**3
    value.sum().backward()
    assert new.grad is not None


def test_gradient_check(draw):
    new, old = draw(4, 3, dtype=torch.float64).requires_grad_(), draw(4, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda n: relational(n, old, angle_weight=2.0), (new,))


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="lengths must be equal"):
        relational(draw(3, 2), draw(2, 2))
    with pytest.raises(ValueError, match="distance_weight or an angle_weight above 0"):
        relational(draw(3, 2), draw(3, 2), distance_weight=0.0, angle_weight=0.0)
    with pytest.raises(ValueError, match="angle_weight must be >= 0"):
        relational(draw(3, 2), draw(3, 2), angle_weight=-1.0)
    with pytest.raises(ValueError, match=r"pool_size needs feature maps \(N, C, H, W\), got shape \(3, 2\)"):
        relational(draw(3, 2), draw(3, 2), pool_size=1)
