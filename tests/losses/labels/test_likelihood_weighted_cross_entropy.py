import numpy as np
import pytest
import torch

from modelheir.losses import cross_entropy, likelihood_weighted_cross_entropy


def test_mean_is_the_weighted_mean(draw):
    logits, labels, flips = draw(7, 5), torch.arange(7) % 5, torch.linspace(0, 1, 7)
    weights = 1 / (2.0 * flips.numpy() + 0.5)
    wanted = np.average(cross_entropy(logits, labels).numpy(), weights=weights)
    got = likelihood_weighted_cross_entropy(logits, labels, flips, base=0.5, scale=2.0)
    assert got.shape == (7,)
    assert got.mean().item() == pytest.approx(wanted, rel=1e-5)


def test_without_scale_it_is_cross_entropy(draw):
    logits, labels = draw(7, 5), torch.arange(7) % 5
    got = likelihood_weighted_cross_entropy(logits, labels, torch.rand(7), scale=0.0, base=3.0, label_smoothing=0.1)
    torch.testing.assert_close(got, cross_entropy(logits, labels, label_smoothing=0.1))


def test_unlabelled_images_have_no_part(draw):
    logits, flips = draw(4, 5), torch.rand(4)
    labels = torch.tensor([0, -1, 2, -1])
    got = likelihood_weighted_cross_entropy(logits, labels, flips).mean()
    known = labels >= 0
    torch.testing.assert_close(
        got, likelihood_weighted_cross_entropy(logits[known], labels[known], flips[known]).mean()
    )
    nothing = likelihood_weighted_cross_entropy(logits, torch.full((4,), -1), flips)
    assert nothing.eq(0).all()


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="base must be > 0"):
        likelihood_weighted_cross_entropy(draw(3, 5), torch.zeros(3, dtype=torch.int64), torch.rand(3), base=0)
    with pytest.raises(ValueError, match="likelihood is"):
        likelihood_weighted_cross_entropy(draw(3, 5), torch.zeros(3, dtype=torch.int64), torch.rand(3, 1))
