import re
from pathlib import Path

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.data.shifts import blocks
from modelheir.data.shifts.table import SHIFTS, Shift, apply_images, apply_labels, apply_shares, register_shift


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3), dtype=np.uint8)


LABELS = np.array([0, 1, 2, 3, 4, 5, 1, 0])


def apply(images, amounts, seed=0, **settings):
    return apply_images(images, LABELS, amounts, np.random.default_rng(seed), **settings)


@pytest.fixture
def table(monkeypatch):
    monkeypatch.setattr("modelheir.data.shifts.table.SHIFTS", dict(SHIFTS))


def test_nothing_changes_nothing(images):
    assert apply(images, {}) is images
    assert apply(images, {"label_flip": 1, "subpop": 2}) is images
    assert (apply(images, {"rotation": 0.0, "corruption": 0.0}) == images).all()


def test_angles_for_all_and_by_class_add_up_and_are_applied_once(images):
    both = apply(images, {"rotation": 30.0, "rotation_cond": 60.0})
    assert (both == blocks.rotate(images, np.where(LABELS % 2 == 0, 90.0, -30.0))).all()
    alone = apply(images, {"rotation_cond": 30.0})
    assert (alone == blocks.rotate(images, np.where(LABELS % 2 == 0, 30.0, -30.0))).all()
    assert (apply(images, {"rotation": 90.0}) == np.rot90(images, axes=(1, 2))).all()


def test_tints_for_all_and_by_class_add_up(images):
    both = apply(images, {"recolor": 30.0, "recolor_cond": 60.0}).astype(int)
    expected = images.astype(int)
    for row, label in enumerate(LABELS):
        expected[row, ..., 0] += 30
        expected[row, ..., label % 3] += 60
    assert (both == expected.clip(0, 255)).all()


def test_the_order_is_noise_then_rotation_then_tint(images):
    amounts = {"recolor": 30.0, "rotation": 30.0, "corruption": 2.0}
    noisy = blocks.add_noise(images, np.full(8, 2), np.random.default_rng(0))
    turned = blocks.rotate(noisy, np.full(8, 30.0))
    expected = blocks.recolor(turned, np.tile([30.0, 0, 0], (8, 1)))
    assert (apply(images, amounts) == expected).all()
    assert (apply(images, dict(reversed(amounts.items()))) == expected).all()
    assert expected[:, 0, 0].tolist() == [[30, 0, 0]] * 8, "corners were black before they were tinted"


def test_compat_noise_is_lower(images):
    grey = np.full((8, 32, 32, 3), 128, np.uint8)
    assert apply(grey, {"corruption": 1.0}).max() == 131
    assert apply(grey, {"corruption": 1.0}, compat=True).max() == 130
    same = {"rotation": 30.0, "recolor": 30.0}
    assert (apply(images, same) == apply(images, same, compat=True)).all()


def test_labels_and_shares(images):
    random = np.random.default_rng(0)
    assert apply_labels(LABELS, 6, {"rotation": 30.0}, random) is LABELS
    assert apply_labels(LABELS, 6, {"label_flip": 1.0}, random).tolist() == (5 - LABELS).tolist()
    start = np.full((4, 5), 0.05)
    both = apply_shares(start, {"label_shift": 1.0, "subpop": 1.0})
    assert np.allclose(both[:, 0], np.array([0.7, 1.3, 0.7, 1.3]) / 12)
    assert (both[:, 3:] == 0).all()


@pytest.mark.parametrize(
    ("name", "good", "bad", "message"),
    [
        ("label_shift", 3, 4, "at most 3.33, as a class would have a share below zero"),
        ("corruption", 2, -1, "at least 0"),
        ("corruption", 2, 1.5, "a whole number"),
        ("rotation", -12.5, float("nan"), "a number"),
        ("fog", 5, 6, "at most 5"),
        ("crop_zoom", 4, 5, "at most 4"),
    ],
)
def test_amounts_have_limits(name, good, bad, message):
    SHIFTS[name].check(name, good, "step 1")
    with pytest.raises(InputError, match=f"step 1: {name} has come to .* there.*{message}"):
        SHIFTS[name].check(name, bad, "step 1")


def test_one_s_own_shift_comes_after_the_others(table, images):
    @register_shift("dim", most=5)
    def dim(images, amount, random):
        return np.rint(images * (1 - amount / 10)[:, None, None, None]).astype(np.uint8)

    recoloured = blocks.recolor(images, np.tile([30.0, 0, 0], (8, 1)))
    assert (apply(images, {"dim": 2, "recolor": 30}) == np.rint(recoloured * 0.8)).all()

    @register_shift("swap", changes="labels")
    def swap(labels, amount, classes, random):
        return np.where(labels == 0, 1, np.where(labels == 1, 0, labels))

    assert apply_labels(np.array([0, 1, 2]), 3, {"swap": 1.0}, np.random.default_rng(0)).tolist() == [1, 0, 2]


@pytest.mark.parametrize("name", ["rotation", "none", "Fog", "a-b", "a:b", ""])
def test_a_name_is_free_and_plain(table, name):
    with pytest.raises(InputError, match=r"give yours another name|cannot be called"):
        register_shift(name)


def test_what_a_shift_changes_is_known(table):
    with pytest.raises(InputError, match=r"unknown changes 'image'\. Did you mean 'images'"):
        register_shift("mine", changes="image")


def test_the_table_is_in_order():
    changes = [shift.changes for shift in SHIFTS.values()]
    assert changes == sorted(changes, key=["sampling", "images", "labels"].index)
    assert len(SHIFTS) == 8 + 20 + 1
    assert all(isinstance(shift, Shift) and shift.joins in ("", *SHIFTS) for shift in SHIFTS.values())


def test_the_page_has_every_shift():
    page = (Path(__file__).parents[3] / "docs" / "sequences.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    assert list(dict.fromkeys(name for name in named if name in SHIFTS)) == list(SHIFTS)
