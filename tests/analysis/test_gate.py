import numpy as np
import pytest
from scipy.stats import binomtest

from modelheir.analysis.gate import GateConfig, judge
from modelheir.checks import InputError
from modelheir.metrics.intervals import paired_difference, wilson

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


SLICES = np.array([[40, 60, 0, 0, 0], [1888, 2, 5, 3, 2]])  # 100 images of jp and 1,900 others


def sliced(slices=SLICES, names=("country = jp", "country = de"), **bounds):
    whole = slices.sum(0)
    return judge(
        GateConfig(**bounds),
        whole,
        class_counts=whole[None],
        class_names=("cat",),
        slice_counts=slices,
        slice_names=names,
    )


def test_a_slice_that_gets_worse_fails_a_gate_that_the_mean_passes():
    assert sliced(max_nfr=0.05)["passed"] is True
    found = sliced(max_nfr=0.05, max_slice_nfr=0.05)
    assert (found["passed"], found["verdict"]) == (False, "reject")
    assert found["reasons"][0].startswith("NFR of slice country = jp is 60.00% [")
    assert [(check["slice"], check["n"]) for check in found["checks"][1:]] == [("country = jp", 100)]
    ends = binomtest(60, 100).proportion_ci(1 - 0.05 / 2, "wilson")  # two slices
    assert found["checks"][1]["interval"] == pytest.approx(ends)
    assert found["notes"] == ["The bound on slices uses intervals at 97.5000% each (Bonferroni for 2 slices)."]
    assert sliced(max_slice_nfr=ends.high + 1e-9)["passed"] is True
    assert sliced(max_slice_nfr=ends.high - 1e-9)["verdict"] == "hold"


def test_small_slices_are_named_not_forgotten():
    found = sliced(max_slice_nfr=0.05, min_class_count=101)
    assert found["passed"] is True
    assert found["notes"][0] == "1 slice has fewer than 101 images and was not judged: country = jp."
    assert "no slice has the 5000 images" in sliced(max_slice_nfr=0.05, min_class_count=5000)["reasons"][0]


def test_slices_without_a_bound_are_not_passed_over_in_silence():
    note = "ew mistakes are more frequent than in all other images in country = jp (60.00% against 0.11%)."
    assert sliced(max_nfr=0.05)["notes"] == [f"Slices were not judged: max_slice_nfr sets no bound; but n{note}"]
    assert sliced()["notes"] == [f"N{note}"]
    assert sliced(np.array([SLICES[1]] * 2), max_nfr=0.05)["notes"] == [
        "Slices were not judged: max_slice_nfr sets no bound."
    ]
    assert sliced(np.array([SLICES[1]] * 2))["notes"] == []
    assert sliced(SLICES.sum(0)[None], ("all = yes",))["notes"] == []  # there are no other images
    one = np.array([[0, 1, 0, 0, 0], [999, 0, 0, 0, 0]])  # of a single image, which is lost
    assert sliced(one)["notes"] == [f"N{note.replace('60.00% against 0.11%', '100.00% against 0.00%')}"]


@pytest.mark.parametrize(
    ("here", "rest", "worse"),
    [((6, 7), (2, 7), True), ((9, 10), (3, 10), True), ((5, 56), (0, 29), False)],  # Newcombe, 1998, table II
)
def test_worse_slices_against_published_intervals(here, rest, worse):
    slices = np.array([[total - lost, lost, 0, 0, 0] for lost, total in (here, rest)])
    found = judge(
        GateConfig(),
        slices.sum(0),
        class_counts=slices.sum(0)[None],
        class_names=("cat",),
        slice_counts=slices[:1],
        slice_names=("site = a",),
    )
    assert bool(found["notes"]) is worse


def test_a_bound_on_slices_needs_slices():
    with pytest.raises(InputError, match=r"max_slice_nfr\) needs slices: name the column"):
        verdict(max_slice_nfr=0.1)


def test_point_estimates_say_nothing_of_intervals():
    assert verdict(max_class_nfr=0.5, point=True)["notes"] == []
    assert sliced(max_slice_nfr=0.7, point=True)["notes"] == []
    assert sliced(max_slice_nfr=0.5, point=True)["verdict"] == "reject"


def test_impossible_bounds():
    with pytest.raises(InputError, match=r"max_nfr = 2: must be from 0 to 1"):
        GateConfig(max_nfr=2)
    with pytest.raises(InputError, match="confidence = nan"):
        GateConfig(confidence=float("nan"))


GAIN = paired_difference(COUNTS)  # lies on both sides of 0.075
BOUNDS = {  # a bound of NFR and of the accuracy gain that is shown to be met, cannot be told, is shown to be missed
    "met": (0.05, GAIN[0] - 0.01),
    "open": (0.02, sum(GAIN) / 2),
    "missed": (0.001, GAIN[1] + 0.01),
}


@pytest.mark.parametrize(
    ("nfr", "gain", "expected"),
    [
        ("met", "met", "promote"),
        ("met", "open", "hold"),
        ("open", "met", "hold"),
        ("open", "open", "hold"),
        ("met", "missed", "reject"),
        ("missed", "met", "reject"),
        ("open", "missed", "reject"),
        ("missed", "open", "reject"),
        ("missed", "missed", "reject"),
    ],
)
def test_the_worst_of_several_bounds_is_the_verdict(nfr, gain, expected):
    found = verdict(max_nfr=BOUNDS[nfr][0], min_accuracy_gain=BOUNDS[gain][1])
    assert found["verdict"] == expected
    assert found["passed"] is (expected == "promote")
    assert len(found["reasons"]) == (nfr != "met") + (gain != "met")
    assert [(check["passed"], check["missed"]) for check in found["checks"]] == [
        (state == "met", state == "missed") for state in (nfr, gain)
    ]


def test_a_class_that_cannot_be_told_holds_what_all_images_would_promote():
    high = wilson(16, 500, confidence=1 - 0.05 / 2)[1]
    assert verdict(max_nfr=0.05, max_class_nfr=high - 1e-9)["verdict"] == "hold"
    assert verdict(max_nfr=0.05, max_class_nfr=high)["verdict"] == "promote"
    assert verdict(max_nfr=0.05, max_class_nfr=0.001)["verdict"] == "reject"


def test_an_end_that_lies_on_the_bound_meets_it():
    low, high = wilson(20, 1000)
    assert verdict(max_nfr=high)["verdict"] == "promote"
    assert verdict(max_nfr=low)["verdict"] == "hold"
    assert verdict(min_accuracy_gain=GAIN[0])["verdict"] == "promote"
    assert verdict(min_accuracy_gain=GAIN[1])["verdict"] == "hold"
    assert verdict(min_accuracy_gain=GAIN[1] + 1e-9)["verdict"] == "reject"


def classes(*rows, **bounds):
    """Judge classes of which each is (images, negative flips)."""
    counts = np.array([[total - lost, lost, 0, 0, 0] for total, lost in rows])
    names = tuple(f"c{number}" for number in range(len(rows)))
    return judge(GateConfig(**bounds), counts.sum(0), class_counts=counts, class_names=names)


def test_classes_that_miss_are_listed_worst_first_and_else_the_nearest_to_the_bound():
    missed = classes((100, 5), (100, 30), (100, 10), max_class_nfr=0.05, point=True)
    assert [check["class"] for check in missed["checks"]] == ["c1", "c2"]
    assert [check["value"] for check in missed["checks"]] == [0.3, 0.1]
    assert [check["n"] for check in missed["checks"]] == [100, 100]
    met = classes((100, 5), (100, 30), (100, 10), max_class_nfr=0.3, point=True)
    assert [(check["class"], check["passed"]) for check in met["checks"]] == [("c1", True)]
    assert met["reasons"] == []
    few = classes((1000, 40), (10, 0), max_class_nfr=0.9)  # by its interval ten images are worse than a thousand
    assert [check["class"] for check in few["checks"]] == ["c1"]


def test_a_class_of_exactly_the_images_asked_for_is_judged():
    found = classes((10, 9), (100, 1), max_class_nfr=0.5, min_class_count=10, point=True)
    assert [check["class"] for check in found["checks"]] == ["c0"]
    assert found["notes"] == []
    left = classes((10, 9), (100, 1), max_class_nfr=0.5, min_class_count=11, point=True)
    assert (left["passed"], left["verdict"]) == (True, "promote")
    assert left["notes"] == ["1 class has fewer than 11 images and was not judged: c0."]


def test_intervals_are_corrected_for_the_classes_that_are_judged_alone():
    low, high = wilson(20, 100, confidence=1 - 0.1 / 2)
    found = classes((100, 20), (100, 1), (3, 3), max_class_nfr=0.1, min_class_count=50, confidence=0.9)
    (check,) = found["checks"]
    assert tuple(check["interval"]) == pytest.approx((low, high))
    assert found["notes"][1] == "The bound on classes uses intervals at 95.0000% each (Bonferroni for 2 classes)."


@pytest.mark.parametrize("count", [5, 6])
def test_at_most_five_small_classes_are_named(count):
    found = classes((100, 0), *[(2, 0)] * count, max_class_nfr=0.5, min_class_count=3)
    tail = "c1, c2, c3, c4, c5, ..." if count > 5 else "c1, c2, c3, c4, c5"
    assert found["notes"][0] == f"{count} classes have fewer than 3 images and were not judged: {tail}."


def test_nothing_left_to_judge_is_no_proof_either_way():
    found = classes((4, 0), max_class_nfr=0.5, min_class_count=5, max_nfr=1.0)
    assert (found["passed"], found["verdict"]) == (False, "hold")
    assert found["reasons"] == ["no class has the 5 images that the bound on classes asks for."]


def test_at_most_five_worse_slices_are_named_by_their_rate():
    rows = [(50, 10 + number) for number in range(7)] + [(5000, 5)]
    slices = np.array([[total - lost, lost, 0, 0, 0] for total, lost in rows])
    (note,) = sliced(slices, tuple(f"s{number}" for number in range(8)))["notes"]
    assert [part[:2] for part in note.split("images in ")[1].split(", ")[:5]] == ["s6", "s5", "s4", "s3", "s2"]
    assert note.endswith("and 2 more.")
    (note,) = sliced(slices[2:], tuple(f"s{number}" for number in range(6)))["notes"]
    assert note.endswith("%).")


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ({"max_nfr": 0.5}, "NFR is 2.00% [1.30%, 3.07%]: its upper end is at most 50.00%."),
        ({"max_nfr": 0.02}, "NFR is 2.00% [1.30%, 3.07%]: its upper end is above 2.00%."),
        ({"max_nfr": 0.01, "point": True}, "NFR is 2.00%: its estimate is above 1.00%."),
        ({"min_accuracy_gain": 0.5, "point": True}, "accuracy gain is 8.00%: its estimate is below 50.00%."),
        ({"min_accuracy_gain": 0.0, "point": True}, "accuracy gain is 8.00%: its estimate is at least 0.00%."),
    ],
)
def test_the_sentence_of_a_bound(bounds, sentence):
    (check,) = verdict(**bounds)["checks"]
    assert check["sentence"] == sentence
    assert check["bound"] == next(iter(bounds.values()))


def test_compare_hands_its_slices_to_the_gate():
    from modelheir.analysis.compare import compare
    from modelheir.types import Predictions

    ids, label, site = np.array([f"i{k}" for k in range(40)]), np.zeros(40, int), np.array(["b", "a"] * 20)
    old, new = (Predictions(ids, label, said, columns={"site": site}) for said in (label, (site == "b").astype(int)))
    gate = compare(old, new, slices=["site"], gate=GateConfig(max_slice_nfr=0.5))["gate"]
    assert [(check["slice"], check["value"]) for check in gate["checks"]] == [("site = b", 1.0)]
    assert gate["verdict"] == "reject"
