"""V-12 in small: changed copies are found, other pictures stay; exact copies, chains, flat and tiny pictures."""

import importlib.util

import numpy as np
import pytest

from modelheir.selection import confirmation, copies
from modelheir.selection.copies import find_copies, find_copies_within
from modelheir.selection.keypoints import Keypoints
from modelheir.selection.proposals import propose
from modelheir.selection.settings import CopyConfig

KINDS = ("scaled", "jpeg", "cropped", "turned", "brighter")
WAYS = [
    False,
    pytest.param(
        True,
        marks=[
            pytest.mark.extras,
            pytest.mark.skipif(
                importlib.util.find_spec("cv2") is None,
                reason="OpenCV is not installed: pip install 'modelheir[dedup]'",
            ),
        ],
    ),
]


@pytest.mark.parametrize("sift", WAYS, ids=lambda sift: "keypoints" if sift else "correlation")
@pytest.mark.parametrize("side", [32, 96])
def test_changed_copies_are_found_and_others_stay(sift, side, draw_textured, change, marks_of):
    rng = np.random.default_rng(0)
    known = [draw_textured(seed, side) for seed in range(40)]
    planted = {row: (row * 7) % 40 for row in range(20)}
    pool = [change(known[partner], KINDS[row % 5], rng) for row, partner in planted.items()]
    pool += [draw_textured(seed, side) for seed in range(100, 140)]
    found = find_copies(marks_of(pool), marks_of(known), CopyConfig(), sift=sift)
    partners = {one.row: one.partner for one in found}
    assert partners.items() <= planted.items()  # nothing else, and each with its own original
    assert len(partners) >= 0.95 * len(planted)
    if sift and side > 64:
        by_keypoints = [one.score for one in found if one.reason == "keypoints"]
        assert len(by_keypoints) >= 10  # what was scaled down to a tiny one is left to the correlation
        assert min(by_keypoints) >= 12
    if not sift:
        assert {one.reason for one in found} == {"correlation"}


def test_the_same_pixels_are_exact_whatever_the_settings(draw_textured, marks_of):
    known = [draw_textured(1, 8), draw_textured(2, 8), draw_textured(1, 8)]
    (found,) = find_copies(marks_of([draw_textured(5, 8), known[2]]), marks_of(known), CopyConfig(), sift=False)
    assert (found.row, found.partner, found.reason, found.score) == (1, 0, "exact", 1.0)


@pytest.mark.parametrize(("smallest", "count"), [(16, 0), (8, 1)])
def test_small_pictures_are_compared_by_their_pixels_alone(smallest, count, draw_textured, marks_of):
    image = draw_textured(3, 8)
    other = (image * 0.8).astype(np.uint8)
    found = find_copies(marks_of([other]), marks_of([image]), CopyConfig(smallest=smallest), sift=False)
    assert len(found) == count


def test_images_too_small_to_be_compared_cost_no_keypoints(monkeypatch, draw_textured, marks_of):
    images = [draw_textured(seed, 24) for seed in range(4)]
    near = np.clip(images[0].astype(int) + 3, 0, 255).astype(np.uint8)
    sought = []

    def count(image, config):
        sought.append(image)
        return Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))

    monkeypatch.setattr(confirmation, "keypoints", count)
    look = {"pool": marks_of([near]), "known": marks_of(images), "sift": True}
    assert len(find_copies(**look, config=CopyConfig(smallest=24))) == 1
    assert sought
    sought.clear()
    assert find_copies(**look, config=CopyConfig(smallest=25)) == []
    assert sought == []


def test_the_first_of_a_chain_stays_within_the_pool(draw_textured, change, marks_of):
    rng = np.random.default_rng(0)
    first, other = draw_textured(1), draw_textured(2)
    pool = [first, other, change(first, "jpeg", rng), other, change(first, "brighter", rng), draw_textured(3)]
    found = find_copies_within(marks_of(pool), CopyConfig(), sift=False)
    assert [(one.row, one.reason) for one in found] == [(2, "correlation"), (3, "exact"), (4, "correlation")]
    assert found[0].partner == 0
    assert found[1].partner == 1
    assert found[2].partner in (0, 2)


def test_flat_pictures_are_no_copies_of_one_another(marks_of):
    flat = [np.full((40, 40, 3), value, np.uint8) for value in (10, 11, 200)]
    assert find_copies(marks_of(flat[:1]), marks_of(flat[1:]), CopyConfig(), sift=False) == []


@pytest.mark.extras
def test_a_picture_with_few_keypoints_is_left_to_the_correlation(draw_textured, marks_of):
    pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'modelheir[dedup]'")
    image = np.asarray(draw_textured(1, 96), dtype=float)
    x = np.linspace(0, 255, 96)
    smooth = np.stack([np.add.outer(x**2 / 510, x / 2 * k).clip(0, 255) for k in (0.2, 0.6, 1.0)], axis=2)
    smooth = (0.97 * smooth + 0.03 * image).astype(np.uint8)
    (found,) = find_copies(
        marks_of([(smooth * 0.7).astype(np.uint8)]), marks_of([smooth]), CopyConfig(detail=0.3), sift=True
    )
    assert found.reason == "correlation"


@pytest.mark.parametrize(
    ("settings", "count"),
    [({}, 1), ({"correlation": 1.0}, 0), ({"detail": 1.0}, 0), ({"hash_bits": 0, "similarity": 1.0}, 0)],
)
def test_thresholds_decide(settings, count, draw_textured, change, marks_of):
    image = draw_textured(4)
    other = change(image, "turned", np.random.default_rng(0))
    assert len(find_copies(marks_of([other]), marks_of([image]), CopyConfig(**settings), sift=False)) == count


def test_each_of_three_searches_proposes(draw_textured, marks_of):
    a, b = draw_textured(1), draw_textured(2)
    off = {"hash_bits": 0, "similarity": 1.0, "feature_similarity": 1.0}
    pool, known = marks_of([a]), marks_of([b, a // 2])
    object.__setattr__(pool, "features", np.array([[1.0, 0.0]]))
    object.__setattr__(known, "features", np.array([[0.9, 0.1], [0.0, 1.0]]))
    for name, value, partner in (("hash_bits", 5, 1), ("similarity", 0.9, 1), ("feature_similarity", 0.9, 0)):
        pairs, motion = propose(pool, known, CopyConfig(**{**off, name: value}))
        assert partner in pairs[:, 1].tolist(), name
        assert motion.shape == (len(pairs), 4)
    assert len(propose(pool, marks_of([b]), CopyConfig(**off))[0]) == 0


def test_blocks_give_what_one_block_gives(monkeypatch, draw_textured, change, marks_of):
    rng = np.random.default_rng(0)
    known = [draw_textured(seed, 32) for seed in range(12)]
    pool = marks_of([change(known[row], "jpeg", rng) if row % 3 else draw_textured(row + 50, 32) for row in range(12)])
    whole = find_copies(pool, marks_of(known), CopyConfig(), sift=False)
    counts = []
    monkeypatch.setattr(copies, "_BLOCK", 5)
    monkeypatch.setattr(copies, "_STEP", 2)
    monkeypatch.setattr(confirmation, "_PAIRS", 3)
    parts = find_copies(pool, marks_of(known), CopyConfig(), sift=False, advance=counts.append)
    assert [(one.row, one.partner) for one in parts] == [(one.row, one.partner) for one in whole]
    assert len(parts) == 8
    assert sum(counts) == 12
