import hashlib

import pytest

from modelheir.analysis.gate.bounds import Bounds, GateConfig
from modelheir.analysis.gate.policy import make_gate
from modelheir.checks import InputError


@pytest.fixture
def write(tmp_path):
    def make(text):
        path = tmp_path / "gate.yaml"
        path.write_text(text)
        return path

    return make


def test_without_a_policy_what_is_given_counts():
    made, slices = make_gate(None, {"max_nfr": 0.1, "point": None, "slice": ["site"]})
    assert made == GateConfig(max_nfr=0.1)
    assert slices == ("site",)


def test_every_word_of_a_policy_arrives(write):
    path = write(
        "required: {max_nfr: 0.02, min_accuracy_gain: -0.01}\nadvisory: {max_churn: 0.1}\nslice: [site, day]\n"
        "confidence: 0.9\npoint: true\nmin_class_count: 7\nundecided: hold\n"
    )
    made, slices = make_gate(path, {"slice": ["day", "camera"]})
    assert made == GateConfig(
        max_nfr=0.02,
        min_accuracy_gain=-0.01,
        confidence=0.9,
        point=True,
        min_class_count=7,
        undecided="hold",
        advisory=Bounds(max_churn=0.1),
        policy=str(path),
        policy_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    assert slices == ("site", "day", "camera")


def test_a_flag_may_add_to_a_policy_and_not_soften_it(write):
    path = write("required: {max_nfr: 0.02}\nadvisory: {max_churn: 0.1}\nconfidence: 0.9\n")
    made, _ = make_gate(path, {"min_kept": 0.9, "max_churn": 0.2, "point": True})
    assert (made.max_nfr, made.min_kept, made.max_churn, made.point, made.confidence) == (0.02, 0.9, 0.2, True, 0.9)
    for name, value in (("max_nfr", 0.5), ("confidence", 0.5)):
        with pytest.raises(InputError, match=f"{name} is set by the policy .*gate.yaml: leave it out here"):
            make_gate(path, {name: value})


def test_single_slices_have_bounds_of_their_own(write):
    made, _ = make_gate(write("required: {max_slice_nfr: {country = jp: 0.01, site.a = b: 0}}\nslice: country\n"), {})
    assert made.max_slice_nfr == {"country = jp": 0.01, "site.a = b": 0.0}
    with pytest.raises(InputError, match="max_slice_nfr is set by the policy"):
        make_gate(write("required: {max_slice_nfr: {country = jp: 0.01}}"), {"max_slice_nfr": 0.5})


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("required: {max_nrf: 0.1}", r"gate.yaml: unknown setting 'max_nrf' in required. Did you mean 'max_nfr'"),
        ("max_nfr: 0.1", r"unknown setting 'max_nfr'"),
        ("required: {max_nfr: 2}", r"gate.yaml: max_nfr = 2.0: must be from 0 to 1"),
        ("required: {max_nfr: '0.1'}", r"required.max_nfr = '0.1': must be"),
        ("required: 0.1", r"required is a group of settings, got 0.1"),
        ("required: {max_slice_nfr: {a = b: 2}}", r"gate.yaml: max_slice_nfr = 2.0: must be from 0 to 1"),
        ("required: {max_slice_nfr: {a = b: low}}", r"max_slice_nfr = \{'a = b': 'low'\}: must be a number"),
        ("required: {max_slice_nfr: {a = b: true}}", r"max_slice_nfr = \{'a = b': True\}: must be a number"),
        ("advisory: {max_slice_nfr: {}}", r"max_slice_nfr names no slice"),
        ("undecided: perhaps", r"undecided = 'perhaps': must be one of"),
        ("slice: {a: 1}", r"slice = "),
        ("- 1", r"gate.yaml"),
        ("required: [", r"gate.yaml, line"),
    ],
)
def test_a_policy_that_cannot_be_is_one_sentence(write, text, match):
    with pytest.raises(InputError, match=match) as caught:
        make_gate(write(text), {})
    assert "\n" not in str(caught.value)


def test_a_policy_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none.yaml is missing"):
        make_gate(tmp_path / "none.yaml", {})


def test_a_policy_may_ask_for_looks_at_all_times(write):
    made, _ = make_gate(write("required: {max_nfr: 0.02}\nsequential: true\n"), {})
    assert made.sequential is True
    with pytest.raises(InputError, match="sequential is set by the policy"):
        make_gate(write("sequential: true\n"), {"sequential": True})
    assert make_gate(None, {"sequential": True})[0] == GateConfig(sequential=True)
