import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import functional as reference

from modelheir.data.transforms import geometry
from modelheir.data.transforms.draws import uniform


def picture(height, width, seed=0, n=None):
    shape = (height, width, 3) if n is None else (n, 3, height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(20, 31), (31, 20), (16, 16)])
def test_prepare_agrees_with_torchvision(height, width):
    image = picture(height, width)
    expected = reference.center_crop(reference.resize(Image.fromarray(image), [18]), [13])
    assert (geometry.prepare(image, resize=18, size=13) == np.asarray(expected)).all()


def test_images_of_the_right_size_pass_untouched():
    image = picture(8, 8)
    assert (geometry.prepare(image, resize=8, size=8) == image).all()


def test_ten_crops_agree_with_torchvision():
    image = picture(12, 15)
    expected = reference.ten_crop(Image.fromarray(image), 8)
    out = geometry.ten_crops(image, resize=12, size=8)
    theirs = np.stack([np.asarray(crop) for crop in expected])
    assert (out[[0, 1, 2, 3, 4]] == theirs[[0, 1, 2, 3, 4]]).all()
    assert (out[5:] == out[:5, :, ::-1]).all()
    assert {crop.tobytes() for crop in out[[5, 6, 7, 8]]} == {crop.tobytes() for crop in theirs[[5, 6, 7, 8]]}


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 9))
def test_boxes_lie_inside_with_the_stated_area_and_aspect(height, width, seed):
    draws = uniform(seed=seed, epoch=0, index=np.arange(50), slots=22)
    top, left, h, w = geometry.crop_boxes(draws, np.full((50, 2), (height, width))).T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (h >= 1).all()
    assert (w >= 1).all()
    assert (top + h <= height).all()
    assert (left + w <= width).all()
    if min(height, width) > 30:
        assert ((h + 1) * (w + 1) >= 0.08 * height * width).all()
        assert ((w + 0.5) / (h - 0.5) >= 3 / 4).all()
        assert ((w - 0.5) / (h + 0.5) <= 4 / 3).all()


def test_an_image_too_long_for_any_box_gives_the_largest_centred_one():
    box = geometry.crop_boxes(np.full((1, 22), 0.999), np.array([[10, 1000]]))[0]
    assert box.tolist() == [0, (1000 - 13) // 2, 10, 13]


@pytest.mark.parametrize(("height", "width", "size"), [(32, 32, 32), (20, 33, 7), (9, 8, 24)])
def test_batched_crops_agree_with_pillow(height, width, size):
    images = picture(height, width, n=6)
    boxes = geometry.crop_boxes(
        uniform(seed=1, epoch=0, index=np.arange(6), slots=22), np.full((6, 2), (height, width))
    )
    out = geometry.resized_crops(torch.from_numpy(images), torch.from_numpy(boxes), size=size).numpy()
    for image, box, result in zip(images, boxes, out, strict=True):
        expected = geometry.resized_crop(image.transpose(1, 2, 0), box, size=size).transpose(2, 0, 1)
        assert np.abs(expected.astype(int) - result).max() <= 2


def test_shift_crop_agrees_with_numpy():
    images = picture(5, 7, n=3)
    offsets = np.array([[0, 4], [2, 2], [3, 1]])
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    out = geometry.shift_crop(torch.from_numpy(images), torch.from_numpy(offsets), pad=2).numpy()
    for i, (y, x) in enumerate(offsets):
        assert (out[i] == padded[i, :, y : y + 5, x : x + 7]).all()


def test_only_chosen_images_are_mirrored():
    images = torch.from_numpy(picture(2, 3, n=2))
    out = geometry.flip(images, torch.tensor([False, True]))
    assert torch.equal(out[0], images[0])
    assert torch.equal(out[1], images[1].flip(2))


def test_erased_rectangles_are_grey_and_as_frequent_as_asked():
    draws = uniform(seed=0, epoch=0, index=np.arange(2000), slots=5)
    boxes = geometry.erase_boxes(draws, probability=0.25, size=32)
    share = (boxes[:, 2] > 0).mean()
    assert abs(share - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 2000)
    images = torch.zeros(2, 3, 5, 6)
    out = geometry.erase_rectangles(images, torch.tensor([[1, 2, 3, 2], [0, 0, 0, 4]]))
    expected = torch.zeros(3, 5, 6)
    expected[:, 1:4, 2:4] = 0.5
    assert torch.equal(out[0], expected)
    assert torch.equal(out[1], images[1])
    area = (boxes[:, 2] * boxes[:, 3])[boxes[:, 2] > 0] / 32**2
    assert area.max() < 0.36
