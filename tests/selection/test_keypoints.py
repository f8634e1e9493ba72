"""Keypoints of one picture under a known motion share it; two pictures share none."""

import numpy as np
import pytest

from modelheir.selection.keypoints import Keypoints, has_sift, keypoints, shared
from modelheir.selection.settings import CopyConfig

pytestmark = pytest.mark.extras
pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'modelheir[dedup]'")


def test_a_turned_picture_shares_its_keypoints_and_another_does_not(draw_textured, change):
    assert has_sift()
    config = CopyConfig()
    image = draw_textured(1)
    first, turned, other = (
        keypoints(one, config) for one in (image, change(image, "turned", np.random.default_rng(0)), draw_textured(2))
    )
    matches, inliers = shared(turned, first, config)
    assert inliers >= max(12, 0.3 * matches)
    assert shared(other, first, config)[1] < 6
    assert shared(first, first, config) == shared(first, first, config)


def test_matches_pass_the_ratio_test_of_a_plain_loop(draw_textured, change):
    config = CopyConfig(ratio=0.8)
    image = draw_textured(3, 48)
    a, b = keypoints(change(image, "jpeg", np.random.default_rng(0)), config), keypoints(image, config)
    met = set()
    for row in a.look.astype(float):
        away = []
        for other in b.look.astype(float):
            x, y = np.sqrt(row / row.sum()), np.sqrt(other / other.sum())
            away.append(np.linalg.norm(x - y))
        near, second = sorted(away)[:2]
        if near < 0.8 * second:
            met.add(int(np.argmin(away)))
    assert shared(a, b, config)[0] == pytest.approx(len(met), abs=1)


def test_matches_that_shrink_a_picture_to_a_point_do_not_count():
    """Thirty keypoints that all look like those of one small patch, and like nothing else."""
    rng = np.random.default_rng(0)
    look = rng.integers(0, 255, (30, 128)).astype(np.uint8)
    wide = Keypoints(rng.uniform(0, 256, (30, 2)).astype(np.float32), look)
    point = Keypoints(rng.uniform(100, 102, (30, 2)).astype(np.float32), look)
    assert shared(wide, point, CopyConfig()) == (30, 0)
    one = Keypoints(np.float32([[5, 5], [9, 9]]), np.stack([look[0], 255 - look[0]]))
    many = Keypoints(wide.place, np.repeat(look[:1], 30, axis=0))
    assert shared(many, one, CopyConfig()) == (1, 0)


def test_settings_bound_the_keypoints_and_a_flat_picture_has_none(draw_textured):
    assert 0 < len(keypoints(draw_textured(1), CopyConfig(keypoints=10))) <= 12
    flat = keypoints(np.full((20, 30, 3), 9, np.uint8), CopyConfig())
    assert len(flat) == 0
    assert shared(flat, flat, CopyConfig()) == (0, 0)
    small = keypoints(draw_textured(1), CopyConfig(short_side=64)).place
    assert small.max() <= 64
    tiny = keypoints(draw_textured(1, 20), CopyConfig()).place
    assert tiny.max() <= 80  # at most four times as large
