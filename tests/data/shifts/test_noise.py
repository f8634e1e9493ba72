import numpy as np
import pytest

from modelheir.data.shifts import noise

GREY = np.full((20, 32, 32, 3), 0.4, np.float32)
N = GREY.size


@pytest.mark.parametrize(
    ("change", "setting", "variance"),
    [
        (noise.gaussian_noise, 0.1, 0.01),
        (noise.shot_noise, 50, 0.4 / 50),
        (noise.speckle_noise, 0.2, (0.4 * 0.2) ** 2),
    ],
)
def test_mean_and_variance(change, setting, variance):
    out = change(GREY, setting, np.random.default_rng(0))
    assert abs(out.mean() - 0.4) < 4 * (variance / N) ** 0.5
    assert abs(out.var() / variance - 1) < 0.05


def test_shot_noise_counts_whole_photons():
    counts = noise.shot_noise(GREY, 50, np.random.default_rng(0)) * 50
    assert np.allclose(counts, np.rint(counts), atol=1e-4)


def test_speckle_leaves_black_alone():
    assert (noise.speckle_noise(GREY * 0, 0.2, np.random.default_rng(0)) == 0).all()


def test_impulses_are_black_and_white_alike():
    out = noise.impulse_noise(GREY, 0.05, np.random.default_rng(0))
    values, counts = np.unique(out, return_counts=True)
    assert values.tolist() == [0, np.float32(0.4), 1]
    assert np.allclose(counts / N, [0.025, 0.95, 0.025], atol=0.003)
