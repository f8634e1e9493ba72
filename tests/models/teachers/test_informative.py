import math

import numpy as np
import pytest
from scipy.stats import binomtest

from modelheir.models import is_informative
from modelheir.types import Predictions


def said(label, prediction):
    label, prediction = np.asarray(label), np.asarray(prediction)
    return Predictions(np.array([str(n) for n in range(len(label))]), label, prediction)


def test_informative_against_scipy():
    rng = np.random.default_rng(3)
    label = rng.integers(0, 4, 200)
    for wrong in (0.0, 0.5, 0.7, 0.75, 0.9):
        prediction = np.where(rng.random(200) < wrong, rng.integers(0, 4, 200), label)
        right = int((label == prediction).sum())
        guess = max((label == c).mean() for c in range(4))
        expected = binomtest(right, 200, guess, alternative="greater").pvalue < 0.05
        assert is_informative(said(label, prediction)) == (expected, right / 200)


def test_the_largest_class_is_no_knowledge():
    ok, accuracy = is_informative(said([0] * 90 + [1] * 10, [0] * 100))
    assert (ok, accuracy) == (False, 0.9)
    assert is_informative(said([0, 1] * 50, [1, 0] * 50)) == (False, 0.0)


def test_a_nearly_constant_model_is_no_teacher():
    """It names class 9 (9 % of the images) but for 30 right ones of class 0 (11 %): 12 % right is luck over 11 %."""
    label = np.repeat(np.arange(10), [110, *[100] * 8, 90])
    prediction = np.full(1000, 9)
    prediction[:30] = 0
    assert binomtest(120, 1000, 0.11, alternative="greater").pvalue > 0.05
    assert is_informative(said(label, prediction)) == (False, 0.12)
    prediction[:110] = 0  # two classes known: 20 % against 11 %
    assert is_informative(said(label, prediction)) == (True, 0.2)


def test_more_than_the_largest_class_by_accident_is_no_knowledge():
    """92 right of 100, the largest class has 90: binomtest(92, 100, 0.9, alternative="greater") is 0.32."""
    label = np.array([0] * 90 + [1] * 10)
    prediction = np.array([0] * 88 + [1] * 2 + [1] * 4 + [0] * 6)
    assert binomtest(92, 100, 0.9, alternative="greater").pvalue == pytest.approx(0.3209, abs=1e-4)
    assert is_informative(said(label, prediction)) == (False, 0.92)


def test_unlabelled_rows_do_not_count():
    assert is_informative(said([0, 1, 2] * 10 + [-1] * 50, [0, 1, 2] * 10 + [0] * 50)) == (True, 1.0)
    ok, accuracy = is_informative(said([-1, -1], [0, 1]))
    assert ok
    assert math.isnan(accuracy)


def test_a_model_that_is_right_on_few_images_of_unequal_classes():
    """38 of one class and two of the other: all right is knowledge, though the largest class alone is right on 95 %."""
    label = np.array([0] * 38 + [1] * 2)
    ids = np.arange(40).astype(str)
    assert is_informative(Predictions(ids, label, label)) == (True, 1.0)
    assert is_informative(Predictions(ids, label, np.zeros(40, int))) == (False, 0.95)
