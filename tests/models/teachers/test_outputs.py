import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from modelheir.models import Ensemble, build, cache_outputs, is_informative, mean_logits
from modelheir.runs.predictions import write_predictions
from modelheir.types import Batch, Predictions

CLASSES = ("a", "b", "c")


class Stream:
    """Seven images in batches of three, out of order."""

    def __init__(self, order=(3, 1, 0, 6, 5, 4, 2)):
        self.ids = np.array([f"s{n}" for n in range(7)])
        self.labels = np.arange(7) % 3
        self.classes, self.columns = CLASSES, {"domain": np.array(["x"] * 7)}
        self.images = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        self.order = order

    def __len__(self):
        return math.ceil(len(self.order) / 3)

    def epoch(self, epoch, start=0):
        for rows in torch.tensor(self.order).split(3):
            yield Batch(self.images[rows], torch.from_numpy(self.labels)[rows], rows)


def test_cached_outputs_are_in_the_streams_order():
    model, stream = build("convnet", classes=CLASSES, image_size=8), Stream()
    found = cache_outputs(model, stream, features=True)
    assert model.training
    with torch.no_grad():
        expected = model.eval()(stream.images)
    np.testing.assert_allclose(found.logits, expected.logits.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.features, expected.features.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.prediction, expected.logits.argmax(1).numpy())
    np.testing.assert_array_equal(found.sample_id, stream.ids)
    teacher = cache_outputs(Ensemble([model]), stream)
    np.testing.assert_allclose(teacher.logits, found.logits, rtol=1e-6)
    assert teacher.features is None


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 1, 2, 3, 4, 5, 6, 6), (0, 0, 1, 2, 3, 4, 5)])
def test_each_sample_once(order):
    with pytest.raises(ValueError, match="each of its 7 samples once"):
        cache_outputs(build("convnet", classes=CLASSES, image_size=8), Stream(order))


def test_mean_of_files_joins_by_id(tmp_path):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, 3)).astype(np.float32)
    paths = []
    for number, order in enumerate(([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2])):
        values = logits[number][order]
        ids, label = np.array(["a", "b", "c", "d"])[order], np.array([0, 1, 2, 0])[order]
        paths.append(tmp_path / f"{number}.parquet")
        write_predictions(paths[-1], Predictions(ids, label, values.argmax(1), values, classes=CLASSES))
    found = mean_logits(paths)
    np.testing.assert_allclose(found.logits, logits.mean(0), rtol=1e-5, atol=1e-6)
    weighted = mean_logits(paths, weights=[2, 1, 0])
    np.testing.assert_allclose(weighted.logits, (2 * logits[0] + logits[1]) / 3, rtol=1e-5, atol=1e-6)


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
