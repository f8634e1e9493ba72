"""Alignment finds a known motion again, and the correlation is NumPy's."""

import numpy as np
import pytest
from PIL import Image

from modelheir.selection import alignment
from modelheir.selection.alignment import FINE, align, fitted

IDENTITY = np.array([[1.0, 0, 0, 0]])


def picture(seed, side=64):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


def pair(changed, image):
    return fitted(changed)[None], fitted(image)[None]


def test_the_correlation_of_two_pictures_that_lie_as_they_do_is_numpys(monkeypatch):
    monkeypatch.setattr(alignment, "_STEPS", 0)
    monkeypatch.setattr(alignment, "_HOPELESS", -1)
    a, b = pair(picture(0), picture(1))
    found = align(a, b, IDENTITY)
    x = (np.arange(FINE) + 0.5) / FINE * 2 - 1
    disc = x[:, None] ** 2 + x**2 <= 1
    assert found.correlation[0] == pytest.approx(np.corrcoef(a[0][disc].ravel(), b[0][disc].ravel())[0, 1], abs=1e-3)
    assert found.overlap[0] == 1


@pytest.mark.parametrize(
    ("scale", "angle", "right", "down"), [(1, 15, 0, 0), (1, -9, 0.1, 0), (0.7, 0, 0.2, -0.1), (0.8, 5, -0.1, 0.1)]
)
def test_a_known_motion_is_found_again(scale, angle, right, down):
    a, b = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    image = picture(2)
    # PIL's matrix maps pixels of the new picture to places of the old one
    half = 32
    matrix = (a, -b, half * (1 - a + b + right), b, a, half * (1 - a - b + down))
    moved = np.asarray(Image.fromarray(image).transform((64, 64), Image.Transform.AFFINE, matrix, Image.BILINEAR))
    start = np.array([[a + 0.08, b - 0.05, right + 0.05, down + 0.04]])
    found = align(*pair(moved, image), start)
    assert found.correlation[0] > 0.99
    assert found.detail[0] > 0.9
    assert np.allclose(found.motion[0], [a, b, right, down], atol=0.02)


def test_gain_and_offset_do_not_count_and_other_pictures_do_not_agree():
    image = picture(4)
    same = align(*pair((image * 0.6 + 30).astype(np.uint8), image), IDENTITY)
    assert same.correlation[0] > 0.999
    assert same.bits[0] <= 4
    others = [align(*pair(picture(seed), image), IDENTITY) for seed in range(10, 20)]
    assert max(float(one.detail[0]) for one in others) < 0.5


def test_pairs_do_not_touch_one_another():
    first = np.concatenate([fitted(picture(seed))[None] for seed in (1, 2, 3)])
    second = np.concatenate([fitted(picture(seed))[None] for seed in (1, 5, 3)])
    start = np.repeat(IDENTITY, 3, axis=0)
    together = align(first, second, start)
    for row in range(3):
        alone = align(first[row : row + 1], second[row : row + 1], start[row : row + 1])
        for a, b in zip(together, alone, strict=True):
            assert np.allclose(a[row], b[0], atol=1e-4)


def test_flat_pictures_correlate_with_nothing():
    flat = np.full((1, FINE, FINE, 3), 90, np.float32)
    found = align(flat, fitted(picture(0))[None], IDENTITY)
    assert found.correlation[0] == 0
    assert align(flat, flat, IDENTITY).correlation[0] == 0
