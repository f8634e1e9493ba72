import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.functional import rotate as torchvision_rotate

from modelheir.data.shifts import blocks


def grey(n, value=128, size=32):
    return np.full((n, size, size, 3), value, np.uint8)


@pytest.mark.parametrize(("highest", "mean", "variance"), [(3, 0.0, 4.0), (2, -0.5, 35 / 12)])
@pytest.mark.parametrize("times", [1, 3])
def test_noise_has_the_mean_and_variance_of_its_draws(highest, mean, variance, times):
    images = grey(40)
    noise = blocks.add_noise(images, np.full(40, times), np.random.default_rng(0), highest=highest).astype(int) - 128
    count = noise.size
    assert noise.min() == -3 * times
    assert noise.max() == highest * times
    assert abs(noise.mean() - mean * times) < 4 * (variance * times / count) ** 0.5
    assert abs(noise.var() / (variance * times) - 1) < 0.03
    assert len({noise[0].tobytes(), noise[1].tobytes()}) == 2
    assert len({noise[..., channel].tobytes() for channel in range(3)}) == 3


def test_one_draw_of_noise_is_uniform():
    noise = blocks.add_noise(grey(40), np.ones(40), np.random.default_rng(0)).astype(int) - 128
    values, counts = np.unique(noise, return_counts=True)
    assert values.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert np.abs(counts / counts.sum() - 1 / 7).max() < 0.005


def test_noise_is_clipped_and_leaves_its_input():
    images = np.concatenate([grey(3, 0), grey(3, 255)])
    before = images.copy()
    out = blocks.add_noise(images, np.full(6, 2), np.random.default_rng(0))
    assert (images == before).all()
    assert out[:3].max() <= 6
    assert out[3:].min() >= 249
    assert {0} < set(out[:3].ravel().tolist())


def test_noise_is_by_image_and_whatever_the_parts(monkeypatch):
    images, amount = grey(5, size=4), np.array([0, 1, 0, 2, 1])
    out = blocks.add_noise(images, amount, np.random.default_rng(0))
    assert (out != images).any(axis=(1, 2, 3)).tolist() == [False, True, False, True, True]
    monkeypatch.setattr(blocks, "_PART", 2)
    small = blocks.add_noise(images, amount, np.random.default_rng(0))
    assert (small != images).any(axis=(1, 2, 3)).tolist() == [False, True, False, True, True]


def test_noise_of_floats_is_on_256_levels():
    images = np.full((2, 8, 8, 3), 0.5)
    out = blocks.add_noise(images, np.ones(2), np.random.default_rng(0))
    assert set(np.round((out - 0.5) * 256).ravel().tolist()) == {-3, -2, -1, 0, 1, 2, 3}
    assert blocks.add_noise(np.ones((1, 4, 4, 3)), np.ones(1), np.random.default_rng(0)).max() == 1


@pytest.mark.parametrize("size", [(32, 32), (8, 8), (9, 9), (7, 12), (31, 33)])
def test_rotation_is_torchvision_s(size):
    images = np.random.default_rng(0).integers(1, 256, (2, *size, 3), dtype=np.uint8)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    for angle in (*range(0, 361, 15), -30, -60, 7, 123.4):
        expected = torchvision_rotate(tensor, float(angle)).permute(0, 2, 3, 1).numpy()
        assert (blocks.rotate(images, np.full(2, float(angle))) == expected).all(), angle


def test_rotation_by_hand():
    ramp = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1).repeat(3, axis=3)
    assert blocks.rotate(ramp, np.array([90.0]))[0, :, :, 2].tolist() == [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    assert (blocks.rotate(ramp, np.array([360.0])) == ramp).all()
    assert (blocks.rotate(ramp, np.array([-90.0])) == np.rot90(ramp, -1, axes=(1, 2))).all()
    assert np.round((blocks.rotate(grey(1, 1), np.array([30.0])) == 0).mean(), 4) == 0.1523


def test_rotation_is_by_image():
    images = np.random.default_rng(0).integers(1, 256, (5, 6, 6, 3), dtype=np.uint8)
    angles = np.array([30.0, 0.0, -30.0, 30.0, 90.0])
    out = blocks.rotate(images, angles)
    for one, angle, image in zip(out, angles, images, strict=True):
        assert (one == blocks.rotate(image[None], np.array([angle]))[0]).all()
    assert (out[1] == images[1]).all()


def test_recolour_by_hand():
    out = blocks.recolor(grey(3, 240, size=2), np.array([[30, 0, 0], [0, 10, 0], [0, 0, -250]]))
    assert out[:, 0, 0].tolist() == [[255, 240, 240], [240, 250, 240], [240, 240, 0]]
    unit = blocks.recolor(np.full((1, 1, 1, 3), 0.5), np.array([[30, 0, 0]]))
    assert np.round(unit[0, 0, 0], 4).tolist() == [0.6172, 0.5, 0.5]


def test_factors_by_class():
    labels = np.array([0, 1, 2, 5, 4])
    assert blocks.parity(labels).tolist() == [1, -1, 1, -1, 1]
    assert blocks.thirds(labels).argmax(axis=1).tolist() == [0, 1, 2, 2, 1]
    assert blocks.red(labels).tolist() == [[1, 0, 0]] * 5


def flipped(labels, times, classes):
    for time in range(times):
        labels = [classes - 1 - y if time % 2 == 0 else (y + 2) % classes for y in labels]
    return labels


@settings(deadline=None)
@given(classes=st.integers(2, 12), times=st.integers(0, 7))
def test_flips_are_bijections_applied_in_turn(classes, times):
    labels = np.arange(classes)
    out = blocks.flip_labels(labels, times, classes)
    assert out.tolist() == flipped(labels.tolist(), times, classes)
    assert sorted(out.tolist()) == labels.tolist()


def test_flips_in_closed_form():
    labels = np.arange(10)
    once = blocks.flip_labels(labels, 1, 10)
    assert blocks.flip_labels(once, 1, 10).tolist() == labels.tolist()
    three = blocks.flip_labels(labels, 3, 10)
    assert three.tolist() == (9 - (11 - labels) % 10).tolist()
    by_two = labels
    for order in range(1, 6):
        by_two = (by_two + 2) % 10
        assert (by_two.tolist() == labels.tolist()) == (order == 5)
    assert blocks.flip_labels(np.array([-1, 3, -1]), 2, 10).tolist() == [-1, 8, -1]


def test_a_histogram_of_labels_is_permuted():
    labels = np.repeat(np.arange(4), [1, 2, 3, 4])
    assert np.bincount(blocks.flip_labels(labels, 1, 4)).tolist() == [4, 3, 2, 1]


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_shares_of_even_classes_move_to_odd_ones(times):
    shares = blocks.move_shares(np.full((10, 1), 0.1), times)
    assert np.allclose(shares[::2], (1 - 0.3 * times) / 10)
    assert np.allclose(shares[1::2], (1 + 0.3 * times) / 10)


def test_shares_of_an_odd_number_of_classes_add_up_to_one():
    shares = blocks.move_shares(np.full((3, 2), 1 / 6), 1)
    assert np.isclose(shares.sum(), 1)
    assert np.allclose(shares[1] / shares[0], 1.3 / 0.7)


def test_a_window_slides_over_finer_classes():
    start = np.full((20, 5), 0.01)
    third = 1 / 3
    expected = [
        [0.5, 0.5, 0, 0, 0],
        [third, third, third, 0, 0],
        [0, third, third, third, 0],
        [0, 0, third, third, third],
    ]
    for times, row in enumerate(expected):
        shares = blocks.slide_window(start, times)
        assert np.allclose(shares, 0.05 * np.array(row))
        assert (shares[:, np.array(row) == 0] == 0).all()
