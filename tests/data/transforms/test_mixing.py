import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelheir.data.transforms.mixing import Mixture, choose_mixture, mix, mixed_targets


def choose(draws, **changes):
    usual = {"mixup": 0.8, "cutmix": 1.0, "probability": 1.0, "switch": 0.5, "size": 8} | changes
    return choose_mixture(np.asarray(draws), **usual)


def test_weights_follow_the_beta_distribution():
    draws = np.random.default_rng(0).uniform(size=(800, 5))
    weights = [choose(row, cutmix=0.0).weight for row in draws]
    assert stats.kstest(weights, stats.beta(0.8, 0.8).cdf).pvalue > 1e-3


def test_use_and_switch_have_their_probabilities():
    draws = np.random.default_rng(0).uniform(size=(2000, 5))
    found = [choose(row, probability=0.6, switch=0.3, size=64) for row in draws]
    mixed = [mixture for mixture in found if mixture != Mixture(1.0)]
    assert abs(len(mixed) / 2000 - 0.6) < 0.05
    assert abs(np.mean([mixture.box is not None for mixture in mixed]) - 0.3) < 0.05
    assert choose(draws[0], mixup=0.0, cutmix=0.0) == Mixture(1.0)
    assert choose([0, 0.9, 0.5, 0, 0], mixup=0.0, switch=0.0).box is not None


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 0.999), min_size=5, max_size=5), st.integers(2, 9))
def test_target_weight_is_the_share_of_own_pixels(draws, n):
    draws = [0.0, 0.0, *draws[2:]]
    mixture = choose(draws)
    images = torch.arange(n).float()[:, None, None, None].expand(n, 1, 8, 8)
    out = mix(images, mixture)
    own = torch.stack([(out[i] == i).float().mean() for i in range(n)])
    pairs = torch.arange(n - n % 2)
    assert torch.allclose(own[pairs], torch.full((len(pairs),), mixture.weight), atol=1e-6)
    targets = mixed_targets(torch.arange(n), mixture, classes=n + 1)
    assert targets.shape == (n, n + 1)
    assert torch.allclose(targets.sum(1), torch.ones(n))
    assert torch.allclose(targets[pairs, pairs], torch.tensor(mixture.weight).float())


def test_mixup_by_hand():
    images = torch.tensor([0.0, 1.0, 0.5])[:, None, None, None]
    out = mix(images, Mixture(0.75)).flatten()
    assert out.tolist() == [0.25, 0.75, 0.5]
    targets = mixed_targets(torch.tensor([0, 1, 1]), Mixture(0.75), classes=2)
    assert targets.tolist() == [[0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]


@pytest.mark.parametrize("mixture", [Mixture(0.4), Mixture(0.75, (0, 0, 4, 4))])
def test_a_batch_shared_by_two_processes_mixes_the_same_pairs(mixture):
    images = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    kept = images.clone()
    assert torch.equal(torch.cat([mix(images[:4], mixture), mix(images[4:], mixture)]), mix(images, mixture))
    assert torch.equal(images, kept)
    assert mix(images, Mixture(1.0)) is images
