import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from modelheir.losses import contrastive_feature_alignment, feature_alignment


def test_plain_equals_numpy_over_the_common_width(draw):
    new, old = draw(7, 6), draw(7, 4)
    np.testing.assert_allclose(feature_alignment(new, old), ((new[:, :4] - old) ** 2).mean(1), rtol=1e-5)


def test_contrastive_equals_a_loop(draw):
    new, old, labels = draw(7, 6, scale=2.0), draw(7, 4), torch.tensor([0, 1, 0, 2, -1, 1, -1])
    r = cdist(new[:, :4].numpy(), old.numpy())
    wanted = np.zeros(7)
    for i in range(7):
        for j in range(7):
            if i == j or (labels[i] == labels[j] and labels[i] >= 0):
                wanted[i] += r[i, j] ** 2 / 2 / 7
            elif labels[i] >= 0 and labels[j] >= 0:
                wanted[i] += max(3 - r[i, j], 0) ** 2 / 2 / 7
    got = contrastive_feature_alignment(new, old, labels, margin=3.0)
    np.testing.assert_allclose(got, wanted, rtol=1e-4)


def test_gradient_is_finite_where_features_coincide():
    new = torch.ones(3, 4, requires_grad=True)
    contrastive_feature_alignment(new, torch.ones(3, 4), torch.tensor([0, 1, 2])).sum().backward()
    assert new.grad is not None
    assert new.grad.isfinite().all()


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="at least as wide as the old ones, got 3 and 4"):
        feature_alignment(draw(2, 3), draw(2, 4))
    with pytest.raises(ValueError, match="margin must be > 0"):
        contrastive_feature_alignment(draw(2, 4), draw(2, 4), torch.zeros(2, dtype=torch.int64), margin=0)
