"""JUnit XML as CI systems read it: counts that add up, a case a bound, failures just where the exit code is not 0."""

import dataclasses
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from modelheir.analysis.compare import compare
from modelheir.analysis.gate.bounds import Bounds, GateConfig
from modelheir.checks import InputError
from modelheir.report.junit import junit_text, write_junit
from modelheir.types import Predictions


def of(lost, classes=3, names=None, n=100, **settings):
    """Compare two models on ``n`` images of each class; the new one breaks ``lost`` images of class 0."""
    label = np.repeat(np.arange(classes), n)
    new = np.where(np.arange(len(label)) < lost, 1, label)
    ids = np.arange(len(label)).astype(str)
    old, new = (Predictions(ids, label, said, classes=names) for said in (label, new))
    return compare(old, new, gate=GateConfig(**settings))


def parse(found, names=("v1", "v2"), seconds=1.25):
    root = ET.fromstring(junit_text(found, names=names, seconds=seconds))
    assert root.tag == "testsuites"
    suites = root.findall("testsuite")
    cases = root.findall("testsuite/testcase")
    for node in (root, *suites):
        assert node.get("tests") == str(len(cases))
        for many, one in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert node.get(many) == str(len(root.findall(f"testsuite/testcase/{one}")))
        assert float(node.get("time")) == seconds
    assert len(suites) == 1
    assert all(len([end for end in case if end.tag != "properties"]) <= 1 for case in cases)
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
    return suites[0], cases


def properties(node):
    return {one.get("name"): one.get("value") for one in node.findall("properties/property")}


def ends(cases):
    return [next((end.tag for end in case if end.tag != "properties"), "") for case in cases]


@pytest.mark.parametrize("undecided", ["", "ship", "hold"])
@pytest.mark.parametrize("lost", [0, 27, 90])
@pytest.mark.parametrize("bounds", [{"max_nfr": 0.1}, {"max_nfr": 0.1, "max_class_nfr": 0.3}, {}])
def test_failures_and_errors_stand_exactly_where_the_exit_code_is_not_zero(lost, bounds, undecided):
    found = of(lost, **bounds, undecided=undecided)
    suite, cases = parse(found)
    bad = int(suite.get("failures")) + int(suite.get("errors"))
    assert bool(bad) is (found.gate.exit_code != 0)
    assert len(cases) == len(found.gate.checks)


@pytest.mark.parametrize(
    ("lost", "undecided", "end", "kind"),
    [
        (0, "", "", None),
        (90, "", "failure", "hold"),
        (27, "", "error", "not enough images"),
        (27, "hold", "failure", "not enough images"),
        (27, "ship", "skipped", None),
    ],
)
def test_one_bound(lost, undecided, end, kind):
    found = of(lost, max_nfr=0.1, undecided=undecided)
    _, (case,) = parse(found)
    assert (case.get("classname"), case.get("name")) == ("modelheir.required.max_nfr", "NFR")
    assert ends([case]) == [end]
    (check,) = found.gate.checks
    if end:
        assert case.find(end).get("message") == check.sentence
        assert case.find(end).get("type") == kind
    said = properties(case)
    assert float(said["value"]) == check.value == lost / 300
    assert (float(said["low"]), float(said["high"])) == check.interval
    assert (float(said["bound"]), int(said["n"]), said["verdict"]) == (0.1, 300, check.verdict)
    assert said.get("needed") == (None if check.needed is None else str(check.needed))


def test_a_case_for_every_class_and_slice():
    found = of(60, names=("cat", "dog", "emu"), max_class_nfr=0.05)
    _, cases = parse(found)
    assert {case.get("name"): end for case, end in zip(cases, ends(cases), strict=True)} == {
        "NFR of class cat": "failure",
        "NFR of class dog": "",
        "NFR of class emu": "",
    }


def test_advisory_bounds_are_skipped_and_say_how_they_stand():
    found = of(90, max_nfr=0.9, advisory=Bounds(max_nfr=0.1, max_churn=0.9))
    suite, cases = parse(found)
    assert ends(cases) == ["", "skipped", "skipped"]
    assert [case.find("skipped").get("message").partition(":")[0] for case in cases[1:]] == [
        "advisory, hold",
        "advisory, ship",
    ]
    assert (suite.get("skipped"), suite.get("failures")) == ("2", "0")


def test_the_suite_holds_the_rates_and_the_policy():
    found = of(27, max_nfr=0.1)
    bounds = dataclasses.replace(found.gate.bounds, policy="gate.yaml", policy_sha256="ab" * 32)
    found = dataclasses.replace(found, gate=dataclasses.replace(found.gate, bounds=bounds))
    suite, _ = parse(found)
    assert suite.get("name") == "v1 to v2"
    said = properties(suite)
    assert (said["verdict"], said["images"], said["confidence"]) == ("not enough images", "300", "0.95")
    assert (said["policy"], said["policy_sha256"]) == ("gate.yaml", "ab" * 32)
    assert float(said["nfr"]) == found.rates.nfr.value
    assert (float(said["nfr_low"]), float(said["nfr_high"])) == found.rates.nfr.interval
    assert "policy" not in properties(parse(of(0))[0])
    assert "verdict" not in properties(parse(of(0))[0])


def test_names_are_escaped_and_what_xml_forbids_is_written_out():
    names = ("<b>&\"'", "\x00\x1b]\ufffe\uffff\ud800\n", "]]>")
    suite, cases = parse(of(60, names=names, max_class_nfr=0.05), names=("</testsuite>", "a\x07b"))
    assert suite.get("name") == r"</testsuite> to a\x07b"
    assert {case.get("name") for case in cases} == {
        "NFR of class <b>&\"'",
        r"NFR of class \x00\x1b]\ufffe\uffff\ud800\n",
        "NFR of class ]]>",
    }


def test_it_is_written_whole_or_not_at_all(tmp_path):
    found = of(27, names=("é", "\ud800", "c"), max_class_nfr=0.1)
    write_junit(tmp_path / "deep" / "j.xml", found, names=("a", "b"), seconds=0.5)
    assert (tmp_path / "deep" / "j.xml").read_text(encoding="utf-8") == junit_text(found, names=("a", "b"), seconds=0.5)
    assert ET.parse(tmp_path / "deep" / "j.xml").getroot().get("tests") == "3"
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        write_junit(tmp_path / "taken", found, names=("a", "b"), seconds=0.5)
