"""A comparison is one typed value: its attributes, its JSON and its use as a mapping say the same."""

import dataclasses
import json

import numpy as np
import pytest

from modelheir.analysis.compare import compare
from modelheir.analysis.comparison import Counts, Graded
from modelheir.analysis.gate.bounds import GateConfig
from modelheir.analysis.record import Rate
from modelheir.runs.files import write_json
from modelheir.types import Predictions


def test_attributes_mapping_and_json_agree(make, tmp_path):
    found = compare(make(1), make(2), slices=["site"], gate=GateConfig(max_class_nfr=0.3))
    for name, rate in found.rates.items():
        assert found[name] == rate.value
        assert found["intervals"][name] == list(rate.interval)
    assert found["gate"]["passed"] is found.gate.passed
    assert found["gate"]["bounds"]["max_class_nfr"] == 0.3
    assert [row["class"] for row in found["per_class"]] == [group.name for group in found.classes]
    assert [(row["column"], row["value"]) for row in found["slices"]] == [("site", g.name) for g in found.slices]
    assert found["calibration"]["new"]["brier"] == found.scores.calibration["new"].brier
    assert found["graded"]["nfr_graded_interval"] == list(found.scores.graded.nfr_graded.interval)
    assert found["ensemble"]["nfr"] == found.scores.ensemble.nfr
    assert dict(found) == found.to_json() == found
    write_json(tmp_path / "a.json", found)
    assert json.loads((tmp_path / "a.json").read_text()) == found.to_json()


def test_a_comparison_cannot_be_changed(make):
    found = compare(make(1), make(2))
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.n = 3
    with pytest.raises(TypeError):
        found["n"] = 3
    with pytest.raises(KeyError):
        found["nothing"]


def test_files_and_further_models_stand_in_the_json_where_there_are_any(make):
    found = compare(make(1), make(2))
    assert not {"old", "new", "note", "others"} & set(found)
    more = dataclasses.replace(found, old="a.csv", new="b.csv", others=({"name": "c", "nfr_interval": [0, 1]},))
    assert (more["old"], more["new"], more["note"]) == ("a.csv", "b.csv", "")
    assert more["others"] == [{"name": "c", "nfr_interval": [0, 1]}]
    assert dataclasses.replace(found, old="a.csv")["new"] == dataclasses.replace(found, new="b.csv")["old"] == ""


def test_shares_errors_and_order_are_worked_out_here():
    """Ten images by hand: classes 0 to 3; the new model breaks one image of 1 and two of 2, and mends one of 0."""
    label = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3])
    old, new = label.copy(), label.copy()
    old[[0, 1]] = 3, 3
    new[[1, 3, 6, 7]] = 3, 0, 0, 0
    ids = np.arange(10).astype(str)
    found = compare(Predictions(ids, label, old), Predictions(ids, label, new))
    assert found.counts.shares == {"stay": 0.5, "pos": 0.1, "neg": 0.3, "wrong": 0.1}
    assert [group.name for group in found.worst()] == ["2", "1"]
    assert [group.name for group in found.by_new_mistakes()] == ["2", "1", "0", "3"]
    row = found.placed("v2")
    low, high = found.rates.accuracy_new.interval
    assert (row["name"], row["error"], row["nfr"]) == ("v2", pytest.approx(0.4), 0.3)
    assert row["error_interval"] == pytest.approx([1 - high, 1 - low])
    assert row["nfr_interval"] == list(found.rates.nfr.interval)


def test_the_rest_of_a_rate():
    assert Rate(None).rest == Rate(None)
    assert Rate(0.25, (0.125, None)).rest == Rate(0.75)


def test_a_gain_of_label_confidence_is_the_drop_turned_round(make):
    graded = compare(make(1, strength=0.5), make(2, strength=4.0)).scores.graded
    (low, high), drop = graded.label_confidence_drop.interval, graded.label_confidence_drop.value
    assert drop < 0
    assert graded.label_confidence_gain == Rate(-drop, (-high, -low))


def test_errors_of_both_kinds_are_wrong_in_both():
    counts = Counts(both_right=4, negative_flip=1, positive_flip=3, same_error=5, other_error=7)
    assert counts.shares == {"stay": 0.2, "pos": 0.15, "neg": 0.05, "wrong": 0.6}


@pytest.mark.parametrize(
    ("drop", "gain"),
    [
        (None, None),
        (Rate(None), None),
        (Rate(0.25), Rate(-0.25)),
        (Rate(0.25, (None, 0.5)), Rate(-0.25)),
        (Rate(0.25, (0.125, None)), Rate(-0.25)),
        (Rate(0.25, (0.125, 0.5)), Rate(-0.25, (-0.5, -0.125))),
    ],
)
def test_what_is_not_known_of_a_drop_is_not_known_of_the_gain(drop, gain):
    assert Graded(label_confidence_drop=drop).label_confidence_gain == gain
