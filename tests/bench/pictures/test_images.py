"""The grid of examples."""

import numpy as np
import pytest

from modelheir.bench.pictures.images import example_grid
from modelheir.bench.pictures.worlds import open_dated
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import History, ImageSet
from modelheir.data.images import ArrayPixels


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
