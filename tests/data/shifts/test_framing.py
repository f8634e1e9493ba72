import numpy as np
from PIL import Image

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
