"""The grid of examples."""

import numpy as np
import pytest
import yaml
from PIL import Image

from modelheir.bench.pictures.images import example_grid, finer_grid, same_images
from modelheir.bench.pictures.worlds import open_dated
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import History, ImageSet, open_splits
from modelheir.data.images import ArrayPixels


def described(tmp_path, **given):
    place = tmp_path / "drift.yaml"
    place.write_text(yaml.safe_dump({"data": "digits", "test_size": 50, **given}, sort_keys=False))
    return f"sequence:{place}"


def step(labels, *, size=8, start=0):
    labels = np.array(labels)
    pixels = np.arange(len(labels), dtype=np.uint8)[:, None, None, None] + np.zeros((1, size, size, 3), np.uint8)
    ids = np.array([f"{start}-{k}" for k in range(len(labels))])
    return {"train": ImageSet("s", ("cat", "dog", "owl"), ids, labels, ArrayPixels(pixels), np.arange(len(labels)))}


def test_the_first_images_of_each_class_stand_in_their_columns():
    history = History("h", (step([0, 1, 1, 2]), step([1, 0, 0], start=1)), ("old", "new"))
    grid, columns = example_grid(history, classes=["dog", "cat"], per_class=2)
    assert columns == ["dog", "dog", "cat", "cat"]
    assert [name for name, _ in grid] == ["0: old", "1: new"]
    assert [[one and one.sample_id for one in row] for _, row in grid] == [
        ["0-1", "0-2", "0-0", None], ["1-0", None, "1-1", "1-2"],
    ]  # fmt: skip
    assert (grid[0][1][1].image == 2).all()


def test_ten_classes_are_shown_where_none_are_named():
    grid, columns = example_grid(open_dated("digits", InputConfig(), steps=2))
    assert columns == [str(digit) for digit in range(10)]
    assert len(grid) == 2


def test_large_images_are_made_smaller():
    history = History("h", (step([0], size=400), step([0], size=400, start=1)), ("a", "b"))
    grid, _ = example_grid(history, classes=["cat"])
    assert grid[0][1][0].image.shape == (144, 144, 3)


def test_an_unknown_class_is_said_with_the_nearest():
    history = History("h", (step([0]), step([0], start=1)), ("a", "b"))
    with pytest.raises(InputError, match=r"--classes cot: there is no such class. Did you mean 'cat'"):
        example_grid(history, classes=["cot"])


def test_the_same_images_stand_at_every_step_as_its_shifts_change_them(tmp_path):
    """Turned by 90 degrees a step, which Pillow turns without resampling."""
    address = described(tmp_path, shifts="rotation@90:label_flip:rotation@90", sizes=[100, 60, 60, 60])
    grid, columns = example_grid(same_images(address), classes=["3", "7"], per_class=2)
    assert columns == ["3", "3", "7", "7"]
    assert [name for name, _ in grid] == ["0: source", "1: rotation@90", "2: label_flip", "3: rotation@90"]
    for source, *later in zip(*(row for _, row in grid), strict=True):
        assert [one.sample_id for one in later] == [f"{k}{source.sample_id[1:]}" for k in (1, 2, 3)]
        for quarters, one in zip((1, 1, 2), later, strict=True):
            turned = Image.fromarray(source.image).rotate(90 * quarters)
            np.testing.assert_array_equal(one.image, np.asarray(turned))


def test_the_mode_of_a_sequence_reaches_the_same_images(tmp_path):
    address = described(tmp_path, shifts="corruption", sizes=[100, 60])
    fixed, compat = (same_images(address + mode).steps[1]["train"].array for mode in ("", ",mode=compat"))
    assert (fixed != compat).any()


def test_finer_classes_stand_in_the_order_of_subpop(tmp_path):
    groups = {"low": ["4", "0", "2"], "high": ["9", "5", "7"]}
    address = described(tmp_path, shifts="subpop", sizes=[100, 60], groups=groups)
    grid, columns = finer_grid(address, classes=["high", "low"], per_class=2)
    assert columns == ["1", "1", "2", "2", "3", "3"]
    assert [name for name, _ in grid] == ["high", "low"]
    assert [[one.caption for one in row[::2]] for _, row in grid] == [groups["high"], groups["low"]]
    images = open_splits("digits", InputConfig())["train"]
    label = dict(zip(images.ids.tolist(), images.labels.tolist(), strict=True))
    assert [images.classes[label[one.sample_id]] for one in grid[1][1]] == ["4", "4", "0", "0", "2", "2"]
    assert [name for name, _ in finer_grid(address)[0]] == ["low", "high"]


def test_what_is_no_such_sequence_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--show same needs --data sequence:FILE with shifts .* digits has none"):
        same_images("digits")
    plain = described(tmp_path, shifts="rotation", sizes=[100, 60])
    with pytest.raises(
        InputError, match=r"--show finer: the classes of .* have no finer ones: name them in its groups"
    ):
        finer_grid(plain)
    address = described(
        tmp_path, shifts="subpop", sizes=[100, 60], groups={"low": ["4", "0", "2"], "high": ["9", "5", "7"]}
    )
    with pytest.raises(InputError, match=r"--classes hihg: there is no such class. Did you mean 'high'"):
        finer_grid(address, classes=["hihg"])
