import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from modelheir.analysis.compare import compare
from modelheir.analysis.gate.bounds import GateConfig
from modelheir.checks import InputError
from modelheir.metrics.flips import flip_rates
from modelheir.types import Predictions

RATES = ("accuracy_old", "accuracy_new", "nfr", "pfr", "relative_nfr", "nfi", "pfi", "churn", "btc", "bec")
TABLES = ("intervals", "per_class", "slices", "gate", "calibration", "reliability", "graded", "ensemble", "flips")


def said(label, prediction, ids=None):
    label = np.asarray(label)
    ids = np.arange(len(label)).astype(str) if ids is None else np.array(list(ids))
    return Predictions(ids, label, np.asarray(prediction))


def test_the_worked_example():
    label = [0, 1, 2, 3, 0, 1, 2, 3]
    result = compare(said(label, [0, 1, 2, 0, 0, 2, 2, 3]), said(label, [0, 1, 1, 3, 0, 1, 2, 0]))
    expected = {"accuracy_old": 0.75, "accuracy_new": 0.75, "nfr": 0.25, "pfr": 0.25, "relative_nfr": 4 / 3}
    expected |= {"nfi": 1, "pfi": 1 / 3, "btc": 2 / 3, "bec": 0, "churn": 0.5, "accuracy_gain": 0, "mcnemar_p": 1}
    assert {key: result[key] for key in expected} == pytest.approx(expected)
    assert result["flips"] == {"negative": ["2", "7"], "positive": ["3", "5"]}
    assert result["counts"] == {
        "both_right": 4,
        "negative_flip": 2,
        "positive_flip": 2,
        "same_error": 0,
        "other_error": 0,
    }
    assert [row["nfr"] for row in result["per_class"]] == [0, 0, 0.5, 0.5]


def test_keys_json_and_intervals_around_every_rate(make):
    result = compare(make(1), make(2, order=5), slices=["site"], gate=GateConfig(max_nfr=0.5))
    assert {"n", "mcnemar_p", *RATES, *TABLES} <= set(result)
    assert json.loads(json.dumps(result.to_json(), allow_nan=False)) == result
    for name, (low, high) in result["intervals"].items():
        assert low <= result[name] <= high, name
    assert {"accuracy_gain", *RATES} <= set(result["intervals"])
    assert "new model's errors" in result["bec_convention"]


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_rates_are_those_of_the_metrics_in_any_order(rows, random):
    label, old, new = np.array(rows).T
    order = np.array(random.sample(range(len(label)), len(label)))
    result = compare(said(label, old), said(label[order], new[order], ids=map(str, order)))
    expected = flip_rates(old, new, label)
    for name in ("nfr", "pfr", "nfi", "pfi", "btc", "churn", "relative_nfr", "nfr_multi", "accuracy_old"):
        assert result[name] == pytest.approx(expected[name]), name
    json.dumps(result.to_json(), allow_nan=False)
    assert result["accuracy_new"] - result["accuracy_old"] == pytest.approx(result["pfr"] - result["nfr"])


def test_both_conventions_of_bec():
    label, old, new = [0] * 4, [1, 1, 1, 0], [1, 0, 0, 1]
    assert compare(said(label, old), said(label, new))["bec"] == 0.5
    other = compare(said(label, old), said(label, new), errors_of="old")
    assert other["bec"] == pytest.approx(1 / 3)
    assert "old model's errors" in other["bec_convention"]


def test_a_model_with_itself(make):
    result = compare(make(1), make(1), gate=GateConfig(max_nfr=0.05, min_accuracy_gain=-0.1))
    assert (result["nfr"], result["churn"], result["btc"], result["mcnemar_p"]) == (0, 0, 1, 1)
    assert result["gate"]["passed"] is True
    assert result["intervals"]["relative_nfr"][1] > 0  # no flip seen is not no flip possible


def test_per_class_and_slices_by_a_loop(make):
    old, new = make(1, n=300), make(2, n=300)
    result = compare(old, new, slices=["site"], confidence=0.9)
    wrong_p = []
    for row in result["per_class"]:
        here = old.label == int(row["class"])
        a, b = (one.prediction[here] == int(row["class"]) for one in (old, new))
        assert row["n"] == here.sum()
        assert row["nfr"] == pytest.approx((a & ~b).mean())
        assert row["pfr"] == pytest.approx((~a & b).mean())
        ends = binomtest(int((a & ~b).sum()), int(here.sum())).proportion_ci(0.9, method="exact")
        assert row["nfr_interval"] == pytest.approx([ends.low, ends.high])
        lost, won = int((a & ~b).sum()), int((~a & b).sum())
        assert row["p"] == pytest.approx(binomtest(lost, lost + won).pvalue if lost + won else 1)
        wrong_p.append(row["p"])
    assert min(row["p_corrected"] for row in result["per_class"]) == pytest.approx(min(1, 5 * min(wrong_p)))
    assert [row["value"] for row in result["slices"]] == ["north", "south", "west"]
    for row in result["slices"]:
        here = old.columns["site"] == row["value"]
        expected = flip_rates(old.prediction[here], new.prediction[here], old.label[here])
        assert row["nfr"] == pytest.approx(expected["nfr"])
        assert row["column"] == "site"


def test_absent_classes_have_no_row():
    found = compare(said([0, 3], [0, 1]), said([0, 3], [0, 3]))
    assert [row["class"] for row in found["per_class"]] == ["0", "3"]
    assert found["n_classes"] == 4


def test_slices_with_holes_and_of_the_new_file(make, rows):
    old, new = make(1), make(2)
    bare = dataclasses.replace(old, columns={})
    holes = np.where(np.arange(120) % 2 == 0, None, "x")
    found = compare(bare, rows(dataclasses.replace(new, columns={"tag": holes}), np.arange(120)[::-1]), slices=["tag"])
    assert {row["value"]: row["n"] for row in found["slices"]} == {"x": 60, "(empty)": 60}
    twice = dataclasses.replace(old, columns={"tag": holes}), dataclasses.replace(new, columns={"tag": holes})
    assert len(compare(*twice, slices=["tag"])["slices"]) == 2
    blank = dataclasses.replace(new, columns={"tag": np.where(holes == "x", "x", "")})
    for pair in ((twice[0], blank), (blank, twice[0]), (blank, blank)):
        found = compare(*pair, slices=["tag"])
        assert {row["value"]: row["n"] for row in found["slices"]} == {"x": 60, "(empty)": 60}


def test_slice_errors(make):
    old, new = make(1), make(2)
    with pytest.raises(InputError, match=r"unknown column 'sites'\. Did you mean 'site'"):
        compare(old, new, slices=["sites"])
    other = dataclasses.replace(new, columns={"site": np.where(np.arange(120) == 3, "moon", new.columns["site"])})
    with pytest.raises(
        InputError, match=r"differs between the two files for 1 images, such as img003 \('north' and 'moon'\)"
    ):
        compare(old, other, slices=["site"])
    holes = dataclasses.replace(new, columns={"site": np.where(np.arange(120) == 4, "", new.columns["site"])})
    with pytest.raises(InputError, match=r"such as img004 \('south' and an empty cell\)"):
        compare(old, holes, slices=["site"])
    bare = [dataclasses.replace(one, columns={}) for one in (old, new)]
    with pytest.raises(InputError, match="no further columns"):
        compare(*bare, slices=["site"])
    alike = [said(np.zeros(count, int), np.zeros(count, int)) for count in (1000, 1001)]
    most, many = (dataclasses.replace(one, columns={"id": np.arange(len(one.label))}) for one in alike)
    assert len(compare(most, most, slices=["id"])["slices"]) == 1000
    with pytest.raises(InputError, match="1,001 values, too many"):
        compare(many, many, slices=["id"])


def test_relabelled_rows_are_refused(make):
    old, new = make(1), make(2)
    with pytest.raises(InputError, match=r"b.csv has another label than a.csv for 120 images \(img000, .*\.\.\.\)"):
        compare(old, dataclasses.replace(new, label=(new.label + 1) % 5), names=("a.csv", "b.csv"))


def test_flips_can_be_cut_short(make):
    whole, cut = compare(make(1), make(2)), compare(make(1), make(2), max_flips=2)
    assert len(whole["flips"]["negative"]) == whole["counts"]["negative_flip"]
    assert cut["flips"]["negative"] == whole["flips"]["negative"][:2]


def test_bad_settings(make):
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        compare(make(1), make(2), confidence=95)
    with pytest.raises(InputError, match="unknown correction 'holms'"):
        compare(make(1), make(2), correction="holms")


def test_correction_by_false_discovery_rate_is_never_stricter(make):
    holm, other = (compare(make(1), make(2), correction=name) for name in ("holm", "benjamini_hochberg"))
    pairs = zip(holm["per_class"], other["per_class"], strict=True)
    assert all(a["p_corrected"] >= b["p_corrected"] for a, b in pairs)


def test_nothing_imports_torch():
    code = (
        "import sys, numpy as np\n"
        "from modelheir.analysis.compare import compare\n"
        "from modelheir.types import Predictions\n"
        "from modelheir.metrics import bayesian_update, streaming, ensemble, calibration, front\n"
        "import modelheir.runs.predictions, modelheir.analysis.front, modelheir.analysis.ensemble\n"
        "one = Predictions(np.array(['a', 'b']), np.array([0, 1]), np.array([0, 1]), np.eye(2))\n"
        "compare(one, one)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_large_comparison_stays_fast_per_image():
    import time

    rng = np.random.default_rng(0)
    label = rng.integers(0, 50, 20_000)
    one = said(label, rng.integers(0, 50, 20_000))
    start = time.process_time()
    compare(one, one)
    assert time.process_time() - start < 2  # a loop over images would show


def test_without_flips_the_resolution_is_what_may_have_been_missed():
    label = np.arange(50) % 2
    same = Predictions(np.arange(50).astype(str), label, label)
    found = compare(same, same)
    assert found["nfr"] == 0
    assert found["minimal_detectable_nfr"] == pytest.approx(1 - 0.025 ** (1 / 50))  # (1 - p)^50 = 2.5 %
    assert found["minimal_detectable_nfr"] == found["intervals"]["nfr"][1]


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        ([10, 9, 2, 10], [2, 9, 10]),
        ([10.0, np.nan, 2.0, 9.0], [2, 9, 10, "(empty)"]),
        (["b", "", "a", "b"], ["a", "b", "(empty)"]),
        (np.array(["b", None, "a", "b"], object), ["a", "b", "(empty)"]),
    ],
)
def test_slices_stand_by_size_or_by_alphabet_and_the_empty_cell_is_the_last(cells, order):
    one = dataclasses.replace(said([0, 1, 0, 1], [0, 1, 1, 1]), columns={"tag": np.asarray(cells)})
    assert [row["value"] for row in compare(one, one, slices=["tag"])["slices"]] == order


def test_a_cell_that_the_old_file_never_has_differs_whatever_stands_there():
    words = np.array(["a", "b", "c", "d"])
    old = dataclasses.replace(said([0] * 4, [0] * 4), columns={"tag": words})
    for row, word in enumerate(words):
        other = np.where(np.arange(4) == row, "new", words)
        with pytest.raises(InputError, match=rf"for 1 images, such as {row} \('{word}' and 'new'\): rename it"):
            compare(old, dataclasses.replace(old, columns={"tag": other}), slices=["tag"])
    holes = dataclasses.replace(old, columns={"tag": np.array(["a", None, "c", "d"], object)})
    with pytest.raises(InputError, match=r"such as 1 \(an empty cell and 'b'\)"):
        compare(holes, old, slices=["tag"])


@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_every_interval_has_the_confidence_asked_for(make, confidence):
    old, new = make(1), make(2)
    found, usual = compare(old, new, confidence=confidence), compare(old, new)
    right, before = new.prediction == new.label, old.prediction == old.label
    parts = {"accuracy_new": (right, before | True), "nfr": (before & ~right, before | True), "btc": (right, before)}
    for name, (above, below) in parts.items():
        ends = binomtest(int((above & below).sum()), int(below.sum())).proportion_ci(confidence, method="exact")
        assert found["intervals"][name] == pytest.approx([ends.low, ends.high]), name
    rate = (before & ~right).mean()
    half = norm.ppf(0.5 + confidence / 2) * (rate * (1 - rate) / 120) ** 0.5
    assert found["minimal_detectable_nfr"] == pytest.approx(half)
    for name, (low, high) in found["intervals"].items():
        wide, narrow = (usual["intervals"][name], (low, high))[:: 1 if confidence < 0.95 else -1]
        assert wide[0] < narrow[0] < narrow[1] < wide[1], name


def test_where_no_flip_was_seen_an_old_model_that_is_never_wrong_leaves_one_as_the_upper_end():
    found = compare(said([0, 0], [0, 0]), said([0, 0], [0, 0]))
    assert found["intervals"]["relative_nfr"] == [
        0,
        1,
    ]  # as unrelated models at most: there is no old mistake to repeat
