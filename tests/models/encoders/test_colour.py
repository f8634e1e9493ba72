import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from modelheir.models.encoders import load_encoder
from modelheir.models.encoders.colour import ColourHistogram, srgb_to_lab


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # published values for D65
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (100, 0, 0)),
        ((1, 0, 0), (53.2408, 80.0925, 67.2032)),
        ((0, 1, 0), (87.7347, -86.1827, 83.1793)),
        ((0, 0, 1), (32.2970, 79.1875, -107.8602)),
    ],
)
def test_primaries_are_where_the_standard_has_them(rgb, lab):
    found = srgb_to_lab(torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1))
    np.testing.assert_allclose(found.flatten(), lab, atol=0.02)


@pytest.mark.extras
def test_colours_are_opencv_s():
    import cv2

    image = np.random.default_rng(0).random((9, 7, 3), dtype=np.float32)
    theirs = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    ours = srgb_to_lab(torch.from_numpy(image).permute(2, 0, 1).unsqueeze(0))[0].permute(1, 2, 0)
    np.testing.assert_allclose(ours, theirs, atol=0.3)  # OpenCV goes through tables


def test_bins_are_those_of_numpy_s_histogram(draw):
    images = draw(3, 3, 8, 8).sigmoid()
    lab = srgb_to_lab(images).numpy()
    edges = [np.linspace(0, 100, 5), np.linspace(-126, 98, 9), np.linspace(-126, 98, 9)]
    for found, image in zip(ColourHistogram()(images), lab, strict=True):
        counts, _ = np.histogramdd(image.reshape(3, -1).T, bins=edges)
        np.testing.assert_allclose(found, counts.flatten() / 64, atol=1e-7)


@given(st.integers(0, 1000))
def test_shares_add_up_to_one_and_the_place_does_not_matter(seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 3, 4, 5, generator=generator)
    moved = images.flatten(2)[..., torch.randperm(20, generator=generator)].view_as(images)
    found = ColourHistogram()(images)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2))
    assert torch.equal(found, ColourHistogram()(moved))


def test_it_is_an_encoder_of_256_numbers():
    found = load_encoder("colour")
    assert (found.width, found.image_size) == (256, 64)
    assert load_encoder("colour", image_size=16).image_size == 16


@pytest.mark.parametrize(("level", "step"), [(0.0, 0), (0.5, 2), (1.0, 3)])
def test_grey_is_in_the_middle_of_a_bin(level, step):
    found = load_encoder("colour")(torch.full((1, 1, 20, 30), level))
    assert found[0, step * 64 + 4 * 8 + 4] == 1
    assert found.sum() == 1


def test_all_of_srgb_is_inside_the_bins():
    levels = torch.linspace(0, 1, 12, dtype=torch.float64)
    lab = srgb_to_lab(torch.cartesian_prod(levels, levels, levels).T.view(1, 3, -1, 1))
    assert lab.amin(dim=(0, 2, 3)).ge(torch.tensor([-1e-6, -126, -126])).all()
    assert lab.amax(dim=(0, 2, 3)).le(torch.tensor([100 + 1e-6, 98.5, 98])).all()
