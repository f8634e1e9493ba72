import numpy as np
import pytest
from scipy import ndimage

from modelheir.data.shifts import weather
from modelheir.data.shifts.blur import motion_blur

PICTURE = np.random.default_rng(0).random((4, 32, 32, 3), dtype=np.float32)
DRY = (-9.0, 0.0, 1, 0.6, 8, 3, 0.9)  #: no flake falls


def test_snow_whitens():
    """By hand, pixel by pixel, where no flake falls."""
    out = weather.snow(PICTURE, DRY, np.random.default_rng(0))
    for new, old in zip(out.reshape(-1, 3)[:200], PICTURE.reshape(-1, 3)[:200], strict=True):
        grey = 0.299 * old[0] + 0.587 * old[1] + 0.114 * old[2]
        assert np.allclose(new, [0.9 * one + 0.1 * max(one, 1.5 * grey + 0.5) for one in old], atol=1e-5)


def test_flakes_fall_twice_and_smear_downwards():
    fall = (0.1, 0.2, 1, 0.6, 8, 3, 1.0)
    added = weather.snow(PICTURE, fall, np.random.default_rng(1)) - PICTURE
    assert np.allclose(added, added[..., :1], atol=1e-5), "white"
    assert np.allclose(added, added[:, ::-1, ::-1], atol=1e-5), "the same turned by 180 degrees"
    random = np.random.default_rng(1)
    flakes = random.normal(0.1, 0.2, (4, 32, 32, 1)).astype(np.float32)
    flakes[flakes < 0.6] = 0
    flakes = motion_blur(np.clip(flakes, 0, 1), (8, 3), random, towards=-90)
    assert np.allclose(added, flakes + flakes[:, ::-1, ::-1], atol=1e-5)
    down, right = (np.abs(np.diff(added[..., 0], axis=axis)).mean() for axis in (1, 2))
    assert down < 0.8 * right


def test_mud_covers_where_it_is_thick():
    liquid = (0.65, 0.1, 0.7, 0.69, 0.6, 1)
    out = weather.spatter(PICTURE, liquid, np.random.default_rng(2))
    for one, layer, picture in zip(out, np.random.default_rng(2).normal(0.65, 0.1, (4, 32, 32)), PICTURE, strict=True):
        drops = (ndimage.gaussian_filter(layer, 0.7, mode="nearest") > 0.69).astype(float)
        cover = ndimage.gaussian_filter(drops, 0.6, mode="nearest")
        cover[cover < 0.8] = 0
        assert 0 < (cover > 0).mean() < 0.4
        wanted = picture * (1 - cover[..., None]) + cover[..., None] * np.array([63, 42, 20]) / 255
        assert np.allclose(one, wanted, atol=1e-5)


def test_water_is_pale_turquoise_and_within_drops():
    liquid = (0.62, 0.1, 0.7, 0.7, 0.5, 0)
    added = weather.spatter(PICTURE, liquid, np.random.default_rng(2)) - PICTURE
    layers = ndimage.gaussian_filter(
        np.random.default_rng(2).normal(0.62, 0.1, (4, 32, 32)), (0, 0.7, 0.7), mode="nearest"
    )
    assert np.allclose(added[layers <= 0.7], 0)
    assert np.allclose(added.max(axis=(1, 2)), 0.5 * np.array([175, 238, 238]) / 255, atol=1e-5)


def test_without_a_drop_nothing_changes():
    for mud in (0, 1):
        out = weather.spatter(PICTURE, (-9.0, 0.1, 0.7, 0.7, 0.5, mud), np.random.default_rng(0))
        assert np.array_equal(out, PICTURE)


def test_glints_are_those_of_opencv():
    """Its own functions one after another, behind the borders; its distances are exact to a few percent."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'modelheir[dedup]'")
    for seed in range(5):
        layer = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0.62, 0.1, (32, 32)), 0.7)
        drops = layer > 0.7
        border = drops & ~ndimage.binary_erosion(drops, border_value=1)
        far = cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        far = cv2.blur(np.minimum(far, 20), (3, 3)).astype(np.uint8)
        kernel = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
        wanted = cv2.blur(cv2.filter2D(cv2.equalizeHist(far), cv2.CV_8U, kernel), (3, 3)).astype(float)
        assert np.abs(weather.glints(drops) - wanted).max() <= 1
