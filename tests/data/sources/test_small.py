import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from modelheir.checks import InputError
from modelheir.data.sources.small import open_digits, open_synthetic


def test_digits_are_those_of_scikit_learn(config):
    images = open_digits("", {}, config)["train"]
    digits = load_digits()
    assert len(images) == 1797
    assert (images.labels == digits.target).all()
    assert images.image(5).shape == (8, 8, 3)
    assert np.abs(images.image(5)[..., 1] * (16 / 255) - digits.images[5]).max() < 0.04
    assert not images.mirror


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
