import pytest
import torch
from scipy.stats import kstest

from modelheir.losses import noisy_teacher


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_noise_is_normal_relative_and_for_some_images():
    logits = torch.linspace(1, 3, 5).expand(4000, 5)
    factor = noisy_teacher(logits, generator=seeded(), std=0.3, probability=0.25) / logits - 1
    changed = factor.ne(0).any(dim=1)
    assert changed.float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert factor[changed].ne(0).float().mean() > 0.99  # an image's classes are disturbed together
    assert kstest(factor[changed].flatten() / 0.3, "norm").pvalue > 0.01


def test_the_ends_of_both_settings(draw):
    logits = draw(50, 5)
    assert torch.equal(noisy_teacher(logits, generator=seeded(), std=0.0), logits)
    assert torch.equal(noisy_teacher(logits, generator=seeded(), probability=0.0), logits)
    assert noisy_teacher(logits, generator=seeded(), probability=1.0).ne(logits).any(dim=1).all()


def test_the_generator_decides(draw):
    logits, kept = draw(50, 5), seeded()
    first, second = noisy_teacher(logits, generator=kept), noisy_teacher(logits, generator=kept)
    assert not torch.equal(first, second)
    assert torch.equal(noisy_teacher(logits, generator=seeded()), first)
    state = torch.get_rng_state()
    noisy_teacher(logits, generator=seeded())
    assert torch.equal(torch.get_rng_state(), state)


def test_half_precision_is_widened(draw):
    assert noisy_teacher(draw(3, 5, dtype=torch.float16), generator=seeded()).dtype == torch.float32


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="std must be >= 0"):
        noisy_teacher(draw(2, 3), generator=seeded(), std=-1)
    with pytest.raises(ValueError, match="probability must be from 0 to 1"):
        noisy_teacher(draw(2, 3), generator=seeded(), probability=2)
