"""Views: vectors of unit length that brightness leaves alone, and a crop or turn is nearest to a view of its own."""

import numpy as np
import pytest
from PIL import Image

from modelheir.selection.marks import thumbnail
from modelheir.selection.views import VIEWS, describe, describe_views


def pictures(count=30, side=64):
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 9, 9, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in small]


def thumbnails(images):
    return np.stack([thumbnail(one) for one in images])


def test_vectors_have_mean_0_and_length_1_and_brightness_leaves_them():
    small = (thumbnails(pictures()) // 2).astype(np.uint8)
    found = describe_views(small)
    assert found.shape == (30, len(VIEWS), 156)
    assert np.allclose(np.linalg.norm(found, axis=2), 1, atol=1e-5)
    assert np.allclose(found.mean(axis=2), 0, atol=1e-5)
    assert np.allclose(found, describe_views(small + 40), atol=1e-4)
    assert np.array_equal(found[:, 0], describe(small))


def test_a_view_is_read_by_hand():
    """The picture turned by 15 degrees, at one pixel of a view, between four pixels of the thumbnail."""
    ramp = np.add.outer(np.arange(16) * 10, np.arange(16) * 3)[None, :, :, None].repeat(3, axis=3).astype(np.uint8)
    a, b = np.cos(np.radians(15)), np.sin(np.radians(15))
    middle = (np.arange(8) + 0.5) / 4 - 1
    x, y = np.meshgrid(middle, middle)
    disc = x**2 + y**2 <= 1
    across, along = ((a * x - b * y)[disc] + 1) * 8 - 0.5, ((b * x + a * y)[disc] + 1) * 8 - 0.5
    wanted = np.repeat(10 * along + 3 * across, 3)
    wanted = (wanted - wanted.mean()) / np.linalg.norm(wanted - wanted.mean())
    found = describe_views(ramp, np.array([[a, b, 0, 0]]))[0, 0]
    assert np.allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize("kind", ["crop", "turn"])
def test_a_changed_copy_is_nearest_to_its_original(kind):
    images = pictures()
    rng = np.random.default_rng(1)
    changed = []
    for image in images:
        picture = Image.fromarray(image)
        if kind == "turn":
            changed.append(np.asarray(picture.rotate(float(rng.choice([-15, 15])), Image.Resampling.BILINEAR)))
        else:
            x, y = rng.integers(0, 20, 2)
            changed.append(np.asarray(picture.crop((x, y, x + 45, y + 45))))
    close = np.einsum("qd,rvd->qrv", describe(thumbnails(changed)), describe_views(thumbnails(images))).max(axis=2)
    assert (close.argmax(axis=1) == np.arange(30)).mean() >= 0.9
    assert close.diagonal().min() > 0.5


def test_a_flat_picture_is_near_to_nothing():
    assert not describe(np.full((1, 16, 16, 3), 7, np.uint8)).any()
