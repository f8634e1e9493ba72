import numpy as np
import pytest

import modelheir
from modelheir.checks import InputError
from modelheir.runs.predictions import write_predictions
from modelheir.types import Predictions

IDS = [f"im{i}" for i in range(40)]
OLD, NEW = ["cat"] * 40, ["dog"] * 10 + ["cat"] * 30


@pytest.fixture
def place(tmp_path):
    for name, said in (("old", OLD), ("new", NEW)):
        rows = "".join(f"{one},,{word}\n" for one, word in zip(IDS, said, strict=True))
        (tmp_path / f"{name}.csv").write_text("sample_id,label,prediction\n" + rows)
    return tmp_path


def write(path, rows):
    path.write_text("sample_id,label\n" + "".join(f"{one},{label}\n" for one, label in rows))
    return path


def test_files_are_asked_and_judged(place):
    found = modelheir.worth_labelling(place / "old.csv", place / "new.csv", 4)
    assert len(found.asked) == 4
    assert {(one.old, one.new) for one in found.asked} == {("cat", "dog")}
    labels = write(place / "labels.csv", [(one.sample_id, "cat") for one in found.asked])
    judged = modelheir.compare_labelled(place / "old.csv", place / "new.csv", labels, max_nfr=0.6)
    assert (judged.n_labelled, judged.nfr.value, judged.gate.verdict) == (4, 0.25, "ship")
    again = modelheir.worth_labelling(place / "old.csv", place / "new.csv", 6, labels=labels)
    assert (len(again.asked), again.n_labelled) == (2, 4)


def test_predictions_and_parquet_labels_will_do(place):
    ids = np.array(IDS)
    old, new = (Predictions(ids, np.full(40, -1), np.array(said)) for said in ([0] * 40, [1] * 10 + [0] * 30))
    write_predictions(place / "labels.parquet", Predictions(ids[:20], np.ones(20, np.int64), np.ones(20, np.int64)))
    found = modelheir.compare_labelled(old, new, place / "labels.parquet", min_accuracy_gain=0.05, sequential=False)
    assert (found.n_labelled, found.n_agreeing, found.accuracy_gain.value) == (10, 10, 0.25)


def test_a_class_that_neither_model_predicts_must_be_named(place):
    (first,) = modelheir.worth_labelling(place / "old.csv", place / "new.csv", 1).asked
    labels = write(place / "labels.csv", [(first.sample_id, "emu")])
    with pytest.raises(InputError, match=r"label has 1 unknown classes: emu.*named too: --classes FILE"):
        modelheir.compare_labelled(place / "old.csv", place / "new.csv", labels)
    found = modelheir.compare_labelled(place / "old.csv", place / "new.csv", labels, classes=["cat", "dog", "emu"])
    assert (found.n_labelled, found.nfr.value, found.pfr.value) == (1, 0, 0)


def test_labels_may_be_of_a_class_that_one_model_alone_knows(place):
    (place / "old.csv").write_text("sample_id,label,prediction\n" + "".join(f"{one},,cat\n" for one in IDS))
    (first,) = modelheir.worth_labelling(place / "old.csv", place / "new.csv", 1).asked
    labels = write(place / "labels.csv", [(first.sample_id, "dog")])
    assert modelheir.compare_labelled(place / "old.csv", place / "new.csv", labels).pfr.value == 0.25


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample_id,kind\nim0,cat\n", "has no column 'label'"),
        ("sample_id,label\n", "holds no rows"),
        ("sample_id,label\nim0,cat\nim0,cat\n", "repeat a sample_id"),
        ("sample_id,label\nim0,cta\n", r"unknown classes: cta. Did you mean 'cat'\?"),
        ("sample_id,label\nother,cat\n", r"1 of the 1 labels are of images that the models did not see \(other\)"),
        ("sample_id,label\nim0,-7\n", "label"),
    ],
)
def test_labels_that_cannot_be_used(place, text, said):
    (place / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        modelheir.compare_labelled(place / "old.csv", place / "new.csv", place / "labels.csv")


def test_names_mean_nothing_where_classes_are_numbers(place):
    ids = np.array(IDS)
    old, new = (Predictions(ids, np.full(40, -1), np.array(said)) for said in ([0] * 40, [1] * 10 + [0] * 30))
    with pytest.raises(InputError, match="labels by class names and the predictions number theirs"):
        modelheir.compare_labelled(old, new, write(place / "labels.csv", [("im0", "cat")]))


def test_a_policy_with_slices_is_refused(place):
    (place / "gate.yaml").write_text("required: {max_nfr: 0.1}\nslice: [site]\n")
    with pytest.raises(InputError, match="slices need the labels of all images"):
        modelheir.compare_labelled(place / "old.csv", place / "new.csv", policy=place / "gate.yaml")
