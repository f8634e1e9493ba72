import numpy as np
import pytest

from modelheir.data.shifts.graded import GRADED, graded
from modelheir.data.shifts.table import SHIFTS

NAMES = list(GRADED)


@pytest.fixture
def images():
    """Smooth coloured pictures with an edge."""
    y, x = np.mgrid[:32, :32] / 31
    one = np.stack([x, y, np.hypot(x - 0.5, y - 0.5)], axis=2) * 160 + 40
    one[8:20, 10:22] = (200, 60, 90)
    other = one[::-1, ::-1, ::-1]
    return np.stack([one, other, one[:, ::-1]] * 2).astype(np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_each_strength_changes_more(name, images):
    apply, most = GRADED[name]
    far = []
    for strength in range(most + 1):
        out = apply(images, np.full(6, float(strength)), np.random.default_rng(0))
        assert (out.shape, out.dtype) == (images.shape, np.uint8)
        far.append(np.abs(out.astype(float) - images).mean())
    assert far[0] == 0
    assert far[1] > 0
    if name not in ("glass_blur", "frost", "spatter", "saturate", "elastic"):  # whose settings do not all rise
        assert far == sorted(far)
        assert far[-1] > 1.2 * far[1]
    if name != "elastic":  # whose picture moves less as a whole, and more from pixel to pixel
        assert far[-1] > far[1]


@pytest.mark.parametrize("name", NAMES)
def test_images_are_changed_one_by_one(name, images):
    apply, most = GRADED[name]
    before, amount = images.copy(), np.array([0, most, 1, 0, most, 1], float)
    out = apply(images, amount, np.random.default_rng(0))
    assert (images == before).all()
    assert (out != images).any(axis=(1, 2, 3)).tolist() == (amount > 0).tolist()
    again = apply(images, amount, np.random.default_rng(0))
    assert (again == out).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(8, 8), (9, 14)])
def test_any_size_will_do(name, size):
    images = np.random.default_rng(1).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    apply, most = GRADED[name]
    assert apply(images, np.full(2, float(most)), np.random.default_rng(0)).shape == images.shape


def test_settings_are_those_of_the_strength_and_values_are_clipped_and_rounded(monkeypatch):
    monkeypatch.setattr("modelheir.data.shifts.graded._PART", 2)
    seen = []

    def change(images, setting, random):
        seen.append((len(images), setting, images.dtype))
        return images + setting

    images = np.full((6, 1, 1, 3), 100, np.uint8)
    out = graded(change, (0.2, -1.0, 1.0), images, np.array([1.0, 0, 3, 1, 2, 1]), np.random.default_rng(0))
    assert out[:, 0, 0, 0].tolist() == [151, 100, 255, 151, 0, 151]
    assert seen == [(2, 0.2, np.float32), (1, 0.2, np.float32), (1, -1.0, np.float32), (1, 1.0, np.float32)]


def test_all_are_in_the_table():
    assert {name: SHIFTS[name].most for name in GRADED} == {name: 5 - (name == "crop_zoom") for name in GRADED}
    assert len(GRADED) == 20
