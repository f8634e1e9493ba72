"""The confusion of a comparison against scikit-learn, whatever the numbers and names of the classes."""

import dataclasses
import json

import numpy as np
import pytest

from modelheir.analysis.compare import compare
from modelheir.types import Predictions

NAMES = ("cat", "dog", "emu", "fox", "gnu", "hen")


def said(label, prediction, classes=None):
    label = np.asarray(label)
    return Predictions(np.arange(len(label)).astype(str), label, np.asarray(prediction), classes=classes)


def pair(seed, *, numbers, n=80):
    """Draw two models over class numbers; the last one is said and never true."""
    rng = np.random.default_rng(seed)
    label = rng.choice(numbers[:-1], n)
    return [said(label, np.where(rng.random(n) < 0.5, label, rng.choice(numbers, n))) for _ in range(2)]


@pytest.mark.extras
@pytest.mark.parametrize("numbers", [[0, 1, 2, 3], [3, 7, 40, 41, 90_000]])
@pytest.mark.parametrize("n", [1, 2, 80])
def test_counts_and_scores_are_those_of_scikit_learn(numbers, n):
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    old, new = pair(n, numbers=numbers, n=n)
    found = compare(old, new)
    table = found["confusion"]
    assert len({len(column) for column in table.values()}) == 1
    seen = sorted({*table["label"], *table["prediction"]}, key=int)
    for name, one in (("old", old), ("new", new)):
        counts = np.zeros((len(seen), len(seen)), int)
        for label, prediction, count in zip(table["label"], table["prediction"], table[name], strict=True):
            counts[seen.index(label), seen.index(prediction)] = count
        assert (counts == confusion_matrix(one.label, one.prediction, labels=[int(k) for k in seen])).all()
        assert found.confusion.occurring == tuple(seen)
        assert (found.confusion.table(name) == counts).all()
        labels = [int(row["class"]) for row in found["per_class"]]
        wanted = precision_recall_fscore_support(one.label, one.prediction, labels=labels, zero_division=np.nan)
        for key, values in zip(("precision", "recall", "f1"), wanted[:3], strict=True):
            mine = [row[f"{key}_{name}"] for row in found["per_class"]]
            np.testing.assert_allclose([np.nan if value is None else value for value in mine], values)
        assert [row[f"recall_{name}"] for row in found["per_class"]] == [
            row[f"accuracy_{name}"] for row in found["per_class"]
        ]
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == found


def test_a_class_is_named_by_what_it_is_most_often_taken_for():
    label = [0, 0, 0, 0, 1, 1, 2]
    old = said(label, [0, 1, 2, 2, 1, 1, 0], NAMES)
    new = said(label, [1, 2, 0, 0, 1, 0, 2], NAMES)
    rows = {row["class"]: row for row in compare(old, new)["per_class"]}
    assert [(rows["cat"][f"confused_with_{side}"], rows["cat"][f"confused_n_{side}"]) for side in ("old", "new")] == [
        ("emu", 2),
        ("dog", 1),
    ]
    assert [(rows["dog"][f"confused_with_{side}"], rows["dog"][f"confused_n_{side}"]) for side in ("old", "new")] == [
        (None, 0),
        ("cat", 1),
    ]


def test_classes_are_matched_by_name_and_unlabelled_images_left_out():
    old = said([0, 1, 2, -1], [0, 0, 2, 1], NAMES[:3])
    new = said([1, 2, 0, -1], [1, 3, 0, 3], ("emu", "cat", "dog", "yak"))
    found = compare(old, new)
    assert found.confusion.names == ("cat", "dog", "emu", "yak")
    table = found["confusion"]
    assert list(zip(*table.values(), strict=True)) == [
        ("cat", "cat", 1, 1),
        ("dog", "cat", 1, 0),
        ("dog", "yak", 0, 1),
        ("emu", "emu", 1, 1),
    ]


def test_a_class_that_is_never_said_has_no_precision():
    found = compare(said([0, 1], [0, 0]), said([0, 1], [0, 1]))
    rows = found["per_class"]
    assert (rows[1]["precision_old"], rows[1]["f1_old"], rows[1]["precision_new"]) == (None, 0.0, 1.0)


def test_the_most_frequent_mistakes_come_first():
    label = np.repeat([0, 1, 2], [5, 5, 5])
    old = said(label, [0, 0, 0, 1, 1] + [1] * 5 + [0, 0, 0, 2, 2], NAMES)
    new = said(label, [0, 2, 2, 2, 2] + [1, 1, 1, 2, 2] + [2] * 5, NAMES)
    found = compare(old, new).confusion
    expected = [("cat", "emu", 0, 4), ("emu", "cat", 3, 0), ("dog", "emu", 0, 2), ("cat", "dog", 2, 0)]
    assert found.mistakes(10) == expected
    assert found.mistakes(2) == expected[:2]
    same = compare(said([0], [0]), said([0], [0]))
    assert same.confusion.mistakes(5) == []


def test_slices_have_no_answers():
    old, new = pair(3, numbers=[0, 1, 2])
    old = dataclasses.replace(old, columns={"site": np.array(["a", "b"] * 40)})
    found = compare(old, new, slices=["site"])
    assert all("f1_old" in row for row in found["per_class"])
    assert not any("f1_old" in row for row in found["slices"])
