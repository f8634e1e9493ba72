import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import v2

from modelheir.models.encoders import Preparation


@given(st.integers(3, 24), st.integers(3, 24), st.integers(4, 20), st.data())
def test_square_equals_resizing_and_cropping_by_torchvision(height, width, resize, data):
    crop = data.draw(st.integers(1, resize))
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height * width))
    theirs = v2.Compose([v2.Resize((resize, resize), antialias=True), v2.CenterCrop(crop)])(images)
    torch.testing.assert_close(Preparation(resize, crop).square(images), theirs)


def test_images_of_the_right_size_stay_as_they_are(draw):
    images = draw(2, 3, 8, 8)
    assert torch.equal(Preparation(8, 8).square(images), images)


def test_grey_is_repeated(draw):
    grey = draw(2, 1, 8, 12)
    view = Preparation(6, 4)
    assert torch.equal(view.square(grey), view.square(grey.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(3, 8, 8), r"\(N, 3, H, W\) or \(N, 1, H, W\), got \(3, 8, 8\)"),
        (torch.zeros(1, 4, 8, 8), r"got \(1, 4, 8, 8\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "floating-point numbers in 0..1, got torch.uint8"),
    ],
)
def test_what_is_no_image_is_refused(images, words):
    with pytest.raises(ValueError, match=words):
        Preparation(8, 8).square(images)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"crop": 9}, "crop must be from 1 to resize = 8 pixels, got 9"),
        ({"crop": 0}, "got 0"),
        ({"crop": 8, "std": (1.0, 0.0, 1.0)}, "std must be > 0"),
    ],
)
def test_impossible_settings_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Preparation(resize=8, **settings)
