import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from modelheir.checks import InputError
from modelheir.models.encoders import load_encoder
from modelheir.models.encoders.pixels import PARTS, Pixels

PAIRS = [("left", "right"), ("top", "bottom"), ("even", "odd")]


@given(st.sampled_from(PAIRS), st.integers(2, 9), st.integers(2, 9))
def test_a_pair_shares_no_pixel_and_leaves_none_out(pair, height, width):
    images = torch.arange(height * width, dtype=torch.float64).view(1, 1, height, width)
    one, other = (Pixels(part)(images)[0].tolist() for part in pair)
    assert sorted(one + other) == list(range(height * width)) == sorted(Pixels("all")(images)[0].tolist())


def test_halves_of_the_digits_are_the_columns_that_numpy_cuts():
    """The views of experiment E-2: the left and the right four columns, 32 numbers each."""
    digits = load_digits().images[:20] / 16
    images = torch.from_numpy(digits).float().unsqueeze(1).repeat(1, 3, 1, 1)
    for part, columns in (("left", slice(0, 4)), ("right", slice(4, 8))):
        found = load_encoder(f"pixels:{part}", image_size=8)
        assert (found.width, found.image_size) == (32, 8)
        np.testing.assert_allclose(found(images), digits[:, :, columns].reshape(20, -1), rtol=1e-6)


def test_channels_are_averaged(draw):
    images = draw(2, 3, 4, 4)
    np.testing.assert_allclose(Pixels("all")(images), images.numpy().mean(axis=1).reshape(2, -1), rtol=1e-5, atol=1e-6)


def test_other_images_are_brought_to_the_size():
    assert load_encoder("pixels:top", image_size=8)(torch.zeros(2, 1, 30, 20)).shape == (2, 32)


@pytest.mark.parametrize(
    ("address", "size", "words"),
    [
        ("pixels:left", 0, "pixels:left needs the size of the images.*give image_size"),
        ("pixels:left", 1, "2 pixels at least"),
        ("pixels:lft", 8, r"unknown pixels 'lft'. Did you mean 'left'\?"),
    ],
)
def test_what_cannot_be_cut_is_refused(address, size, words):
    with pytest.raises(InputError, match=words):
        load_encoder(address, image_size=size)


def test_every_part_has_its_own_fingerprint():
    assert len({load_encoder(f"pixels:{part}", image_size=4).fingerprint for part in PARTS}) == len(PARTS)
