"""Bins of files of predictions are those of their labelled images."""

import numpy as np

from modelheir.analysis import reliability_of
from modelheir.metrics.calibration import reliability_table
from modelheir.runs.predictions import write_predictions
from modelheir.types import Predictions


def test_bins_are_of_the_labelled_images(tmp_path):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(50, 3)).astype(np.float32)
    label = generator.integers(0, 3, 50)
    label[:5] = -1
    said = Predictions(np.array([str(i) for i in range(50)]), label, logits.argmax(1), logits=logits)
    write_predictions(tmp_path / "a.parquet", said)
    found = reliability_of({"a": tmp_path / "a.parquet"}, bins=4)
    scores = np.exp(logits[5:]) / np.exp(logits[5:]).sum(1, keepdims=True)
    expected = reliability_table(scores.max(1), logits[5:].argmax(1) == label[5:], bins=4)
    assert [row["n"] for row in found["a"]] == [row["n"] for row in expected]
    np.testing.assert_allclose([row["accuracy"] for row in found["a"]], [row["accuracy"] for row in expected])


def test_without_labels_there_are_no_bins(tmp_path):
    said = Predictions(np.array(["x"]), np.array([-1]), np.array([0]), logits=np.zeros((1, 2), np.float32))
    write_predictions(tmp_path / "a.parquet", said)
    assert reliability_of({"a": tmp_path / "a.parquet"}) == {}
