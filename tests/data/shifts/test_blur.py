import numpy as np
import pytest
from scipy import ndimage

from modelheir.data.shifts import blur

SPOT = np.zeros((1, 9, 9, 3), np.float32)
SPOT[0, 4, 4] = 1
FLAT = np.full((2, 8, 10, 3), 0.3, np.float32)
PICTURE = np.random.default_rng(0).random((2, 12, 10, 3), dtype=np.float32)
RANDOM = np.random.default_rng(0)

EVERY = [
    (blur.gaussian_blur, 0.8), (blur.defocus_blur, (1.5, 0.1)), (blur.glass_blur, (0.4, 1, 2)),
    (blur.motion_blur, (8, 2)), (blur.zoom_blur, 1.2),
]  # fmt: skip


@pytest.mark.parametrize(("change", "setting"), EVERY)
def test_a_flat_picture_stays(change, setting):
    assert np.allclose(change(FLAT, setting, np.random.default_rng(0)), FLAT, atol=1e-6)


@pytest.mark.parametrize(("change", "setting"), EVERY)
def test_images_and_channels_do_not_mix(change, setting):
    image = np.zeros((3, 8, 8, 3), np.float32)
    image[1, 2:6, 2:6, 1] = 1
    out = change(image, setting, np.random.default_rng(0))
    assert (out[[0, 2]] == 0).all()
    assert (out[1, ..., [0, 2]] == 0).all()
    assert out[1, ..., 1].max() > 0.4


def test_gaussian_is_scipy_s_image_by_image():
    out = blur.gaussian_blur(PICTURE, 0.7)
    for one, image in zip(out, PICTURE, strict=True):
        for channel in range(3):
            expected = ndimage.gaussian_filter(image[..., channel], 0.7, mode="nearest")
            assert np.allclose(one[..., channel], expected, atol=1e-6)


def test_defocus_is_that_of_opencv():
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'modelheir[dedup]'")
    radius, soft = 1.5, 0.3
    line = np.arange(-8, 9)
    x, y = np.meshgrid(line, line)
    disc = np.array((x**2 + y**2) <= radius**2, dtype=np.float32)
    kernel = cv2.GaussianBlur(disc / disc.sum(), ksize=(3, 3), sigmaX=soft)
    out = blur.defocus_blur(PICTURE, (radius, soft))
    for one, image in zip(out, PICTURE, strict=True):
        assert np.allclose(one[4:-4, 4:-4], cv2.filter2D(image, -1, kernel)[4:-4, 4:-4], atol=1e-5)
        assert np.allclose(one, cv2.filter2D(image, -1, kernel[6:11, 6:11]), atol=1e-5)


def test_glass_shows_near_pixels_above_and_left():
    rows = np.broadcast_to(np.arange(20.0, dtype=np.float32)[:, None, None], (20, 20, 3))
    for picture in (rows, rows.transpose(1, 0, 2)):
        out = blur.glass_blur(picture[None], (1e-3, 1, 1), np.random.default_rng(0))[0]
        moved = (picture - out).round().astype(int)
        assert set(moved.ravel().tolist()) == {0, 1}
        assert 0.4 < moved.mean() < 0.6


def test_motion_smears_from_where_it_came():
    out = blur.motion_blur(np.repeat(SPOT, 40, axis=0), (3, 2), np.random.default_rng(0))
    assert np.allclose(out.sum(axis=(1, 2)), out.sum(axis=(1, 2))[0, 0], atol=0.35)
    assert (out[:, :, :4] == 0).all(), "nothing lies to the left of the spot"
    assert (out[:, 4, 4] > 0.2).all()
    centre = (out[..., 0] * np.arange(9)[:, None]).sum(axis=(1, 2)) / out[..., 0].sum(axis=(1, 2))
    assert centre.std() > 0.3, "each image has a direction of its own"
    level = blur.motion_blur(SPOT, (3, 2), np.random.Generator(np.random.PCG64(0)))
    assert level.shape == SPOT.shape


def test_motion_weighs_by_a_gaussian(monkeypatch):
    class Level:
        def uniform(self, low, high, n):
            return np.zeros(n)

    out = blur.motion_blur(SPOT, (2, 1.5), Level())[0, 4, 4:, 0]
    expected = np.exp(-(np.arange(5) ** 2) / (2 * 1.5**2))
    assert np.allclose(out, expected / expected.sum(), atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 1.1, 2.0])
def test_zoom_is_bilinear_about_the_middle(factor):
    out = blur.zoom(PICTURE, factor)
    place = [(np.arange(n) + 0.5 - n / 2) / factor + n / 2 - 0.5 for n in (12, 10)]
    grid = np.meshgrid(*place, indexing="ij")
    for one, image in zip(out, PICTURE, strict=True):
        for channel in range(3):
            expected = ndimage.map_coordinates(image[..., channel], grid, order=1, mode="nearest")
            assert np.allclose(one[..., channel], expected, atol=1e-5)


def test_zoom_blur_averages_enlargements():
    factors = [1, 1.01, 1.02, 1.03]
    expected = (PICTURE + sum(blur.zoom(PICTURE, factor) for factor in factors)) / 5
    assert np.allclose(blur.zoom_blur(PICTURE, 1.03), expected, atol=1e-6)


@pytest.mark.parametrize(("towards", "axis", "sign"), [(0, 2, 1), (90, 1, 1), (-90, 1, -1)])
def test_motion_goes_where_it_is_sent(towards, axis, sign):
    spot = np.zeros((20, 33, 33, 3), np.float32)
    spot[:, 16, 16] = 1
    out = blur.motion_blur(spot, (6, 2), np.random.default_rng(0), towards=towards)
    place = (np.arange(33) - 16) * out.sum(axis=tuple({1, 2, 3} - {axis})) / 3
    assert (sign * place.sum(axis=1) > 0.5).all()
