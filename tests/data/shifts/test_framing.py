import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from modelheir.data.shifts import framing

LEVELS = np.random.default_rng(0).integers(0, 256, (3, 12, 10, 3), dtype=np.uint8)
PICTURE = LEVELS.astype(np.float32) / 255


def test_an_odd_number_of_mirrors_mirrors():
    out = framing.mirror(LEVELS, np.array([1.0, 2.0, 3.0]))
    assert (out[[0, 2]] == LEVELS[[0, 2], :, ::-1]).all()
    assert (out[1] == LEVELS[1]).all()


def test_the_middle_is_enlarged():
    y, x = np.mgrid[:32, :32].astype(np.float32)
    picture = np.stack([y, x, y], axis=2)[None]
    out = framing.crop_zoom(picture, 24 / 32)[0]
    centre = np.arange(32) - 15.5
    assert np.allclose(out[:, 16, 0], centre * 0.75 + 15.5, atol=1e-4)
    assert np.allclose(out[16, :, 1], centre * 0.75 + 15.5, atol=1e-4)


def test_jpeg_is_pillow_s_and_worse_at_a_lower_quality(tmp_path):
    errors = []
    for quality in (80, 40):
        out = framing.jpeg(PICTURE, quality)
        Image.fromarray(LEVELS[1]).save(tmp_path / "a.jpg", quality=quality)
        with Image.open(tmp_path / "a.jpg") as stored:
            assert (np.rint(out[1] * 255) == np.asarray(stored)).all()
        errors.append(np.abs(out - PICTURE).mean())
    assert errors[0] < errors[1]


def test_pixelate_by_hand():
    picture = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1).repeat(3, axis=3) * 10 / 255
    out = np.rint(framing.pixelate(picture, 0.5)[0, :, :, 0] * 255)
    assert out[0].tolist() == out[1].tolist() == [25, 25, 45, 45]
    assert out[2].tolist() == [105, 105, 125, 125]
    assert framing.pixelate(picture, 0.1).std() < 1e-6


def test_a_warp_of_nothing_leaves_a_picture_as_it_is():
    assert np.allclose(framing.elastic(PICTURE, (0.0, 0.1, 0.0), np.random.default_rng(0)), PICTURE, atol=1e-6)


def test_three_points_carry_the_picture_with_them():
    """Without elastic moves a warped ramp is affine, and the points of the draw lie where it was moved to."""
    size, most = 33, 0.08
    y, x = np.mgrid[:size, :size].astype(np.float32)
    ramp = np.stack([y, x, y], axis=2)[None]
    out = framing.elastic(ramp, (0.0, 0.1, most), np.random.default_rng(3))[0]
    fixed = np.array([[27, 27], [27, 5], [5, 5]])
    moved = fixed + np.random.default_rng(3).uniform(-most * size, most * size, (3, 2))
    for (row, column), was in zip(moved, fixed, strict=True):
        for channel in (0, 1):
            seen = ndimage.map_coordinates(out[..., channel], [[row], [column]], order=1)
            assert seen[0] == pytest.approx(was[channel], abs=0.05)


def test_a_warp_is_opencv_s_affine_part():
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'modelheir[dedup]'")
    size, most = 32, 0.08
    y, x = np.mgrid[:size, :size] / 8
    picture = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=2).astype(np.float32)
    out = framing.elastic(picture[None], (0.0, 0.1, most), np.random.default_rng(3))[0]
    fixed = np.array([[26, 26], [26, 6], [6, 6]])
    moved = fixed + np.random.default_rng(3).uniform(-most * size, most * size, (3, 2))
    matrix = cv2.getAffineTransform(fixed[:, ::-1].astype(np.float32), moved[:, ::-1].astype(np.float32))
    wanted = cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    assert np.abs(out - wanted)[4:-4, 4:-4].max() < 0.02  # OpenCV counts places in 32nds


def test_elastic_moves_are_smoothed_uniform_numbers():
    """On a ramp a pixel shows where it was taken from."""
    size, far, smooth = 32, 0.1, 0.04
    y, x = np.mgrid[:size, :size].astype(np.float32)
    out = framing.elastic(np.stack([y, x, y], axis=2)[None], (far, smooth, 0.0), np.random.default_rng(5))[0]
    random = np.random.default_rng(5)
    random.uniform(0, 0, (3, 2))
    for channel, (own, plain) in enumerate(zip(random.uniform(-1, 1, (2, size, size)), (y, x), strict=True)):
        moves = ndimage.gaussian_filter(own, smooth * size, mode="reflect", truncate=3) * far * size
        inner = slice(4, -4), slice(4, -4)
        assert np.allclose((out[..., channel] - plain)[inner], moves[inner], atol=1e-3)
