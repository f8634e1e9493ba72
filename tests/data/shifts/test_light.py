import colorsys

import numpy as np
import pytest

from modelheir.data.shifts import light

PICTURE = np.random.default_rng(0).random((3, 6, 7, 3), dtype=np.float32)


def test_brightness_raises_hsv_s_value_alone():
    out = light.brightness(PICTURE, 0.2)
    for new, old in zip(out.reshape(-1, 3), PICTURE.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*old.tolist())
        assert np.allclose(new, colorsys.hsv_to_rgb(hue, saturation, min(value + 0.2, 1)), atol=1e-5)
    assert np.allclose(light.brightness(PICTURE * 0, 0.2), 0.2)


@pytest.mark.parametrize("change", [(0.3, 0.0), (2.5, 0.2)])
def test_saturate_changes_hsv_s_saturation_alone(change):
    picture = PICTURE.copy()
    picture[0, 0, :3] = [[0, 0, 0], [0.5, 0.5, 0.5], [1, 1, 1]]
    out = light.saturate(picture, change)
    for new, old in zip(out.reshape(-1, 3), picture.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*old.tolist())
        wanted = min(max(saturation * change[0] + change[1], 0), 1)
        assert np.allclose(new, colorsys.hsv_to_rgb(hue, wanted, value), atol=1e-5)


def test_contrast_keeps_the_mean_of_each_image_and_channel():
    out = light.contrast(PICTURE, 0.4)
    assert np.allclose(out.mean(axis=(1, 2)), PICTURE.mean(axis=(1, 2)), atol=1e-6)
    assert np.allclose(out.std(axis=(1, 2)), 0.4 * PICTURE.std(axis=(1, 2)), atol=1e-6)


def test_fog_keeps_the_brightest_value_and_is_grey():
    out = light.fog(PICTURE, (1.0, 2), np.random.default_rng(0))
    largest = PICTURE.max(axis=(1, 2, 3), keepdims=True)
    assert (out.max(axis=(1, 2, 3), keepdims=True) <= largest + 1e-6).all()
    added = out * (largest + 1) / largest - PICTURE
    assert np.allclose(added, added[..., :1], atol=1e-5), "the same for all channels"
    assert np.allclose(added.min(axis=(1, 2, 3)), 0, atol=0.7)
    assert len({one.tobytes() for one in added}) == 3


def test_frost_is_bright_and_bluish():
    out = light.frost(PICTURE * 0, (0.75, 0.4), np.random.default_rng(0))
    assert (out[..., 2] >= out[..., 0]).all()
    assert 0.09 <= out[..., 2].min() <= out[..., 2].max() <= 0.4 + 1e-6
    kept = light.frost(PICTURE, (0.75, 0.0), np.random.default_rng(0))
    assert np.allclose(kept, 0.75 * PICTURE)


@pytest.mark.parametrize("size", [(32, 32), (9, 14), (8, 3)])
def test_plasma_is_a_cloud_a_picture(size):
    clouds = light.plasma(4, size, 2.0, np.random.default_rng(0))
    assert (clouds.shape, clouds.dtype) == ((4, *size), np.float32)
    assert clouds.min() >= 0
    assert clouds.max() <= 1
    assert len({one.tobytes() for one in clouds}) == 4


def test_plasma_is_smoother_where_it_decays_faster():
    rough, smooth = (light.plasma(8, (32, 32), decay, np.random.default_rng(0)) for decay in (1.2, 3.0))
    steps = [np.abs(np.diff(cloud, axis=1)).mean() / cloud.std() for cloud in (rough, smooth)]
    assert steps[0] > 3 * steps[1]


def test_plasma_reaches_0_and_1_on_its_square():
    clouds = light.plasma(3, (16, 16), 2.0, np.random.default_rng(0))
    assert np.allclose(clouds.min(axis=(1, 2)), 0)
    assert np.allclose(clouds.max(axis=(1, 2)), 1)
