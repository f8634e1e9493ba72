"""Noise on vectors: each strength by itself, against the formula and its moments; draws from the generator alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.objective import VectorNoise

MEAN, DEVIATION = torch.tensor([1.0, -2.0, 0.0]), torch.tensor([0.5, 2.0, 1.0])
MANY = torch.tensor([[3.0, 1.0, -1.0]]).expand(20000, 3)


def changed(vectors=MANY, seed=0, **strengths):
    return VectorNoise(MEAN, DEVIATION, **strengths)(vectors, torch.Generator().manual_seed(seed))


def test_gaussian_noise_has_the_size_of_each_number():
    gap = changed(gaussian=0.3) - MANY
    np.testing.assert_allclose(gap.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(gap.std(0), 0.3 * DEVIATION, rtol=0.03)


def test_dropout_keeps_the_expectation_and_leaves_means():
    found = changed(dropout=0.25)
    dropped = (found - MEAN).abs() < 1e-6
    np.testing.assert_allclose(dropped.float().mean(0), 0.25, atol=0.02)
    np.testing.assert_allclose(found.mean(0), MANY[0], rtol=0.05, atol=0.05)
    expected = (MEAN + (MANY - MEAN) / 0.75)[~dropped]
    torch.testing.assert_close(found[~dropped], expected)
    assert torch.equal(changed(dropout=1.0), MEAN.expand_as(MANY))


def test_masking_leaves_the_others_as_they_are():
    found = changed(mask=0.4)
    masked = found == MEAN
    np.testing.assert_allclose(masked.float().mean(0), 0.4, atol=0.02)
    assert torch.equal(found[~masked], MANY[~masked])
    rows = masked.float()
    assert abs(np.corrcoef(rows.T.numpy()) - np.eye(3)).max() < 0.05  # numbers are masked apart


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 2), st.floats(0, 1), st.floats(0, 1), st.integers(0, 50))
def test_the_generator_alone_decides_and_nothing_is_edited(gaussian, dropout, mask, seed):
    strengths = {"gaussian": gaussian, "dropout": dropout, "mask": mask}
    vectors = MANY[:5].clone()
    before, state = vectors.clone(), torch.get_rng_state()
    one, same, other = (changed(vectors, s, **strengths) for s in (seed, seed, seed + 1))
    assert torch.equal(vectors, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, same)
    assert one.isfinite().all()
    if gaussian > 1e-3:
        assert not torch.equal(one, other)


def test_without_strength_vectors_are_themselves_and_types_stay():
    assert changed() is MANY
    half = MANY[:4].to(torch.float64)
    assert changed(half, gaussian=0.1, dropout=0.1, mask=0.1).dtype == torch.float64
    assert changed(MANY[:0], gaussian=0.1, mask=0.5).shape == (0, 3)


def test_refusals():
    with pytest.raises(ValueError, match="mask must be from 0 to 1"):
        VectorNoise(MEAN, DEVIATION, mask=1.5)
    with pytest.raises(ValueError, match="dropout must be from 0 to 1"):
        VectorNoise(MEAN, DEVIATION, dropout=-0.5)
    with pytest.raises(ValueError, match="gaussian must be >= 0"):
        VectorNoise(MEAN, DEVIATION, gaussian=-1.0)
    with pytest.raises(ValueError, match="shapes must be equal"):
        VectorNoise(MEAN, DEVIATION[:2])
    with pytest.raises(ValueError, match="mean has 3, numbers has 4"):
        changed(torch.ones(2, 4), mask=0.5)
