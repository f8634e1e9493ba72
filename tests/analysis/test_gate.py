import numpy as np
import pytest

from modelheir.analysis.gate import GateConfig, judge
from modelheir.checks import InputError
from modelheir.metrics.intervals import wilson

CLASSES = np.array([[400, 4, 60, 20, 16], [380, 16, 40, 30, 34]])
COUNTS = CLASSES.sum(0)  # NFR is 20 of 1000


def verdict(**bounds):
    return judge(GateConfig(**bounds), COUNTS, class_counts=CLASSES, class_names=("cat", "dog"))


def test_no_bounds_no_verdict():
    found = verdict()
    assert found["passed"] is None
    assert found["verdict"] is None
    assert found["reasons"] == found["checks"] == []


def test_the_unfavourable_end_decides():
    low, high = wilson(20, 1000)
    assert verdict(max_nfr=high + 1e-9)["verdict"] == "promote"
    undecided = verdict(max_nfr=high - 1e-9)
    assert (undecided["passed"], undecided["verdict"]) == (False, "hold")
    assert verdict(max_nfr=low - 1e-9)["verdict"] == "reject"
    assert "its upper end is above" in undecided["reasons"][0]
    assert verdict(max_nfr=0.02, point=True)["passed"] is True
    assert verdict(max_nfr=0.0199, point=True)["verdict"] == "reject"


def test_more_confidence_is_harder_to_meet():
    high = wilson(20, 1000)[1]
    assert verdict(max_nfr=high + 1e-9, confidence=0.99)["passed"] is False


def test_accuracy_gain_from_below():
    gain = (COUNTS[2] - COUNTS[1]) / COUNTS.sum()
    assert verdict(min_accuracy_gain=0)["passed"] is True
    assert verdict(min_accuracy_gain=gain)["verdict"] == "hold"
    assert verdict(min_accuracy_gain=gain, point=True)["passed"] is True
    assert verdict(min_accuracy_gain=0.5)["verdict"] == "reject"
    assert "its lower end is below" in verdict(min_accuracy_gain=gain)["reasons"][0]


def test_classes_use_corrected_intervals():
    each = 1 - 0.05 / 2
    ends = [wilson(k, 500, confidence=each)[1] for k in (4, 16)]
    assert verdict(max_class_nfr=max(ends) + 1e-9)["passed"] is True
    one = verdict(max_class_nfr=max(ends) - 1e-9)
    assert one["passed"] is False
    assert [check["class"] for check in one["checks"]] == ["dog"]
    assert len(verdict(max_class_nfr=0.001)["reasons"]) == 2
    assert "Bonferroni for 2 classes" in one["notes"][0]
    assert wilson(16, 500)[1] < max(ends)


def test_a_class_that_gets_worse_fails_a_gate_that_the_mean_passes():
    found = verdict(max_nfr=0.05, max_class_nfr=0.03)
    assert found["passed"] is False
    assert found["reasons"][0].startswith("NFR of class dog is 3.20%")


def test_small_classes_are_named_not_forgotten():
    counts = np.array([[90, 1, 9, 0, 0], [1, 1, 0, 0, 0], [0] * 5])
    kept = judge(
        GateConfig(max_class_nfr=0.2, min_class_count=10),
        counts.sum(0),
        class_counts=counts,
        class_names=("a", "tiny", "absent"),
    )
    assert kept["passed"] is True
    assert kept["notes"][0] == "2 classes have fewer than 10 images and were not judged: tiny, absent."
    none = judge(
        GateConfig(max_class_nfr=0.2, min_class_count=1000),
        counts.sum(0),
        class_counts=counts,
        class_names=("a", "tiny", "absent"),
    )
    assert none["passed"] is False
    assert "no class has the 1000 images" in none["reasons"][0]


def test_a_class_without_images_is_named_too():
    counts = np.array([[90, 1, 9, 0, 0], [0] * 5, [99, 1, 0, 0, 0]])
    found = judge(GateConfig(max_class_nfr=0.2), counts.sum(0), class_counts=counts, class_names=("a", "absent", "b"))
    assert found["passed"] is True
    assert found["notes"][0] == "1 class has no images and was not judged: absent."
    assert "Bonferroni for 2 classes" in found["notes"][1]
    found = judge(GateConfig(max_nfr=0.2), counts.sum(0), class_counts=counts, class_names=("a", "absent", "b"))
    assert found["notes"] == []  # no bound on classes, nothing to judge one by one


def test_impossible_bounds():
    with pytest.raises(InputError, match=r"max_nfr = 2: must be from 0 to 1"):
        GateConfig(max_nfr=2)
    with pytest.raises(InputError, match="confidence = nan"):
        GateConfig(confidence=float("nan"))
