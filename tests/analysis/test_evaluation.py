import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from modelheir.analysis.compare import compare
from modelheir.analysis.evaluation import evaluation_row
from modelheir.checks import InputError
from modelheir.types import Predictions


def exact(count, total, confidence=0.95):
    ends = binomtest(int(count), int(total)).proportion_ci(confidence, method="exact")
    return pytest.approx([ends.low, ends.high])


@pytest.mark.parametrize("classes", [6, 9])
def test_accuracy_and_top_five_with_the_exact_interval(classes):
    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(50, classes)), rng.integers(0, classes, 50)
    label[:10] = -1
    found = Predictions(np.arange(50).astype(str), label, logits.argmax(1), logits)
    row = evaluation_row("v1", found)
    right = (logits.argmax(1) == label)[10:].sum()
    best = sum(y in np.argsort(-scores)[:5] for y, scores in zip(label[10:], logits[10:], strict=True))
    assert (row["model"], row["n"], row["accuracy"], row["top5"]) == ("v1", 40, right / 40, best / 40)
    assert row["accuracy_interval"] == exact(right, 40)
    assert row["top5_interval"] == exact(best, 40)
    assert not {"nfr", "pfr", "accuracy_gain"} & set(row)
    other = evaluation_row("v1", found, confidence=0.8)
    assert other["accuracy_interval"] == exact(right, 40, 0.8)
    assert other["top5_interval"] == exact(best, 40, 0.8)


def test_flips_against_an_old_model_are_those_of_compare(make):
    old, new = make(1), make(2, order=4)
    row, found = evaluation_row("v2", new, old), compare(old, new)
    for name in ("nfr", "pfr", "accuracy_gain"):
        assert row[name] == found[name]
        assert row[f"{name}_interval"] == found["intervals"][name]
    lost = ((make(2).prediction != old.label) & (old.prediction == old.label)).sum()
    assert row["nfr_interval"] == exact(lost, 120)
    assert "top5" not in row  # there are five classes
    other = evaluation_row("v2", new, old, confidence=0.8)
    assert other["nfr_interval"] == exact(lost, 120, 0.8)
    (low, high), (lower, higher) = other["accuracy_gain_interval"], row["accuracy_gain_interval"]
    assert lower < low < high < higher


def test_the_interval_of_the_gain_by_hand():
    """Newcombe 1998 (paired), table II, cells 36, 12, 2, 0: low end of method 10; the high end is Tango's score."""
    old, new = np.repeat([0, 0, 1], [36, 2, 12]), np.repeat([0, 1, 0], [36, 2, 12])
    ids, label = np.arange(50).astype(str), np.zeros(50, int)
    row = evaluation_row("v2", Predictions(ids, label, new), Predictions(ids, label, old))
    assert row["accuracy_gain"] == pytest.approx(0.2)
    assert row["accuracy_gain_interval"] == pytest.approx([0.0569, 0.3447], abs=1e-4)


def test_other_images_and_no_labels(make, rows):
    old, new = make(1), make(2)
    with pytest.raises(InputError, match=r"v2 lacks 1 sample ids of the old model x"):
        evaluation_row(
            "v2",
            new,
            dataclasses.replace(old, sample_id=np.array(["a", *old.sample_id[1:]])),
            old_name="the old model x",
        )
    with pytest.raises(InputError, match=r"v2 lacks 100 sample ids of the old model \("):
        evaluation_row("v2", rows(new, np.arange(20)), old)
    row = evaluation_row("v1", dataclasses.replace(new, label=np.full(120, -1)))
    assert row == {"model": "v1", "n": 0, "accuracy": None}
    assert not any(isinstance(value, float) and math.isnan(value) for value in row.values())
