"""Digest, perceptual hash and thumbnail, against a plain cosine transform and worked cases."""

import numpy as np
import pytest
from PIL import Image

from modelheir.selection.marks import content_digest, differing_bits, grey, perceptual_hash, thumbnail


def picture(seed=0, shape=(40, 56)):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize(shape[::-1], Image.Resampling.BICUBIC))


def bits_by_hand(image):
    """The bits by the sum that defines the cosine transform."""
    small = np.asarray(Image.fromarray(grey(image)).resize((32, 32), Image.Resampling.BILINEAR), dtype=float)
    place = np.arange(32) + 0.5
    waves = np.array([[np.cos(np.pi * u * place / 32) for u in range(8)]])[0]
    scale = np.sqrt(np.where(np.arange(8) == 0, 1, 2) / 32)
    found = (scale[:, None] * waves) @ small @ (scale[:, None] * waves).T
    bits = (found > np.median(found.ravel()[1:])).ravel()
    bits[0] = False
    return bits


def test_the_hash_is_the_signs_of_the_cosine_transform():
    for seed in range(5):
        found = perceptual_hash(picture(seed))
        assert [bool(int(found) >> i & 1) for i in range(64)] == bits_by_hand(picture(seed)).tolist()


def test_scale_and_brightness_leave_the_hash_and_other_pictures_have_another():
    image = picture(3)
    dim = (image * 0.5 + 20).astype(np.uint8)
    large = np.asarray(Image.fromarray(image).resize((112, 80), Image.Resampling.BICUBIC))
    hashes = np.array([perceptual_hash(one) for one in (image, dim, large)])
    assert differing_bits(hashes[:1], hashes).max() <= 4
    others = np.array([perceptual_hash(picture(seed)) for seed in range(10, 40)])
    assert differing_bits(hashes[:1], others).min() > 10


@pytest.mark.parametrize("value", [0, 127, 255])
def test_flat_pictures_have_one_hash(value):
    assert perceptual_hash(np.full((9, 5, 3), value, np.uint8)) == 0


def test_bits_are_counted_as_python_counts_them():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 2**64, 50, dtype=np.uint64) for _ in range(2))
    found = differing_bits(a[:, None], b)
    assert found.shape == (50, 50)
    assert found.tolist() == [[(int(x) ^ int(y)).bit_count() for y in b] for x in a]
    assert differing_bits(np.uint64([2**64 - 1]), np.uint64([0])).tolist() == [64]


def test_the_digest_tells_shapes_apart():
    flat = np.zeros((2, 6, 3), np.uint8)
    assert content_digest(flat) != content_digest(flat.reshape(6, 2, 3))
    assert len(content_digest(flat)) == 16
    assert thumbnail(picture()).shape == (16, 16, 3)
