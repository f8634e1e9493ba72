import dataclasses

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from modelheir.checks import InputError
from modelheir.data.sources.small import open_digits, open_synthetic
from modelheir.data.splits import open_splits


def test_digits_are_those_of_scikit_learn(config):
    images = open_digits("", {}, config)["train"]
    digits = load_digits()
    assert len(images) == 1797
    assert (images.labels == digits.target).all()
    assert images.image(5).shape == (8, 8, 3)
    assert np.abs(images.image(5)[..., 1] * (16 / 255) - digits.images[5]).max() < 0.04
    assert not images.mirror


def test_each_writer_of_the_digits_begins_with_the_ten_digits_in_order(config):
    images = open_digits("", {}, config)["train"]
    writer, target = images.columns["writer"], load_digits().target
    starts = np.flatnonzero(np.diff(writer, prepend=-1))
    assert writer[starts].tolist() == list(range(14))
    for start in starts:
        assert target[start : start + 10].tolist() == list(range(10))
    assert np.bincount(writer).min() == 114
    assert np.bincount(writer).max() == 139
    assert (images.columns["time"] == np.arange(1797)).all()


def test_a_writer_can_be_told_by_the_hand(config):
    """Images of one writer are more alike than the labels alone explain, so the blocks are real ones."""
    images = open_digits("", {}, config)["train"]
    x, writer = images.array[..., 0].reshape(1797, -1) / 255.0, images.columns["writer"]
    right = total = 0
    for digit in range(10):
        mine = images.labels == digit
        far = ((x[mine][:, None] - x[mine][None]) ** 2).sum(-1)
        np.fill_diagonal(far, np.inf)
        right += int((writer[mine][far.argmin(1)] == writer[mine]).sum())
        total += int(mine.sum())
    assert right / total > 0.5  # 1 in 14 by chance


def test_a_writer_stays_in_one_split(config):
    splits = open_splits("digits", dataclasses.replace(config, keep_together="writer"))
    held = [set(images.columns["writer"].tolist()) for images in splits.values()]
    assert set.union(*held) == set(range(14))
    assert sum(map(len, held)) == 14
    usual = open_splits("digits", config)
    assert {name: len(images) for name, images in usual.items()} == {"train": 1259, "val": 179, "test": 359}


def test_synthetic_images_can_be_learnt_and_are_repeatable(config):
    options = {"n": "120", "classes": "3", "size": "6"}
    images = open_synthetic("", options, config)["train"]
    x = images.array.reshape(120, -1) / 255
    model = LogisticRegression(max_iter=200).fit(x[:60], images.labels[:60])
    assert model.score(x[60:], images.labels[60:]) > 0.9
    assert (open_synthetic("", options, config)["train"].array == images.array).all()
    assert set(images.columns["domain"]) == {"day", "night"}
    assert np.bincount(images.labels).tolist() == [40, 40, 40]


def test_wrong_options_are_named(config):
    with pytest.raises(InputError, match=r"unknown option of synthetic 'klasses'. Did you mean 'classes'"):
        open_synthetic("", {"klasses": "3"}, config)
    with pytest.raises(InputError, match="synthetic: n = 'many': must be a whole number"):
        open_synthetic("", {"n": "many"}, config)
    with pytest.raises(InputError, match="synthetic: size = 1: must be >= 2"):
        open_synthetic("", {"size": "1"}, config)
