"""The summary of a comparison: the gate's own numbers in a few lines that a Markdown parser reads as tables."""

import dataclasses
import re

import numpy as np
import pytest
from markdown_it import MarkdownIt

from modelheir.analysis.compare import compare
from modelheir.analysis.gate.bounds import Bounds, GateConfig
from modelheir.checks import InputError
from modelheir.report.summary import summary_text, write_summary
from modelheir.types import Predictions


def pair(n, lost, classes=2):
    """Return two models on ``n`` images of each class; the new one breaks ``lost`` images of class 0."""
    label = np.repeat(np.arange(classes), n)
    new = np.where(np.arange(len(label)) < lost, classes - 1, label)
    ids = np.arange(len(label)).astype(str)
    return Predictions(ids, label, label), Predictions(ids, label, new)


def rows(text):
    """Return the cells of every table of a summary, table by table."""
    tables = []
    for part in MarkdownIt("commonmark").enable("table").parse(text):
        if part.type == "table_open":
            tables.append([])
        elif part.type == "tr_open":
            tables[-1].append([])
        elif part.type == "inline" and tables and part.level > 3:
            tables[-1][-1].append("".join(child.content for child in part.children))
    return tables


@pytest.mark.parametrize(
    ("lost", "settings", "head"),
    [
        (0, {"max_nfr": 0.1}, "✅ SHIP: `v1` → `v2`"),
        (60, {"max_nfr": 0.1}, "❌ HOLD: `v1` → `v2`"),
        (18, {"max_nfr": 0.1}, "⚠️ NOT ENOUGH IMAGES: `v1` → `v2`"),
        (18, {"max_nfr": 0.1, "undecided": "hold"}, "⚠️ NOT ENOUGH IMAGES, so hold: `v1` → `v2`"),
        (0, {}, "⬜ NO VERDICT: `v1` → `v2`"),
    ],
)
def test_the_verdict_is_the_heading(lost, settings, head):
    found = compare(*pair(100, lost), gate=GateConfig(**settings))
    text = summary_text(found, names=("v1", "v2"))
    assert text.startswith(f"## {head}\n\n200 labelled images, 95% intervals.\n")
    assert ("No bounds were set." in text) is not bool(settings)
    assert len(rows(text)) == bool(settings) + 1 + bool(lost)


def test_a_bound_is_a_row_with_the_numbers_of_the_gate():
    gate = GateConfig(max_nfr=0.1, max_class_nfr=0.05, advisory=Bounds(min_accuracy_gain=-0.5))
    found = compare(*pair(100, 18), gate=gate)
    table = rows(summary_text(found, names=("v1", "v2")))[0]
    assert table[0] == ["", "Bound", "Value", "Interval", "Limit", "More images needed"]
    by_name = {row[1]: row for row in table[1:]}
    checks = {check.name: check for check in found.gate.checks if check.group != "1"}
    nfr = checks["max_nfr"]
    low, high = nfr.interval
    ends = f"[{100 * low:.2f}, {100 * high:.2f}]"
    assert by_name["NFR"] == ["⚠️ open", "NFR", "9.00%", ends, "at most 10.00%", f"{nfr.needed:,}"]
    assert by_name["NFR of class 0"][0::2] == ["❌ missed", "18.00%", "at most 5.00%"]
    assert by_name["NFR of class 0"][5] == ""
    gain = by_name["Accuracy gain"]
    assert (gain[0], gain[2], gain[4]) == ("✅ met, advisory", "\N{MINUS SIGN}9.00%", "at least \N{MINUS SIGN}50.00%")


def test_rates_and_worst_classes():
    found = compare(*pair(50, 10, classes=4))
    text = summary_text(found, names=("v1", "v2"))
    rates, worst = rows(text)
    assert rates[1][0] == "Accuracy"
    assert rates[1][1].startswith("100.00% [")
    assert rates[1][2].startswith("95.00% [")
    assert dict((row[0], row[2].split(" ")[0]) for row in rates)["Newly wrong (NFR)"] == "5.00%"
    assert worst[1][:4] == ["0", "50", "100.00%", "80.00%"]
    assert worst[1][4].startswith("20.00% [")
    assert worst[1][5] == "3"
    assert len(worst) == 2


def test_it_stays_short_however_many_classes_there_are():
    label = np.repeat(np.arange(300), 4)
    ids = np.arange(1200).astype(str)
    old, new = Predictions(ids, label, label), Predictions(ids, label, (label + 1) % 300)
    text = summary_text(compare(old, new, gate=GateConfig(max_class_nfr=0.01)), names=("a", "b"))
    assert "And 295 more classes or slices that are missed or open." in text
    assert "Classes with the most new mistakes (5 of 300):" in text
    assert len(text.splitlines()) < 40
    assert len(text) < 4000


def test_five_classes_are_all_that_there_are():
    label = np.repeat(np.arange(5), 4)
    ids = np.arange(20).astype(str)
    found = compare(Predictions(ids, label, label), Predictions(ids, label, (label + 1) % 5))
    assert "Classes with the most new mistakes:" in summary_text(found, names=("a", "b"))


def test_policy_notes_and_estimates():
    found = compare(*pair(100, 18), gate=GateConfig(max_nfr=0.1, point=True))
    bounds = dataclasses.replace(found.gate.bounds, policy="g|`te.yaml", policy_sha256="ab" * 32)
    verdict = dataclasses.replace(found.gate, bounds=bounds, notes=("Mind <b>@you</b>.",))
    found = dataclasses.replace(found, gate=verdict, note="no test|split", n_unlabelled=7)
    text = summary_text(found, names=("a", "b"))
    assert "200 labelled images (7 without a label left out), 95% intervals." in text
    assert "Bounds are held against the estimates." in text
    assert "- Note: no test&#124;split.\n- Note: Mind &#60;b&#62;@&#8203;you&#60;/b&#62;.\n" in text
    assert f"Policy <code>g&#124;&#96;te.yaml</code>, SHA-256 `{'ab' * 32}`." in text


def test_a_bound_that_no_class_is_large_enough_for():
    found = compare(*pair(3, 1), gate=GateConfig(max_class_nfr=0.1, min_class_count=10))
    row = rows(summary_text(found, names=("a", "b")))[0][1]
    assert row[1] == "no class has the 10 images that the bound on classes asks for."
    assert row[2:] == ["\N{EN DASH}", "", "at most 10.00%", ""]


def test_a_rate_on_its_bound_is_decided_by_no_number():
    found = compare(*pair(100, 20), gate=GateConfig(max_nfr=0.1))
    assert rows(summary_text(found, names=("a", "b")))[0][1][5] == "no number decides"


def test_hostile_classes_change_no_table(result):
    found = dataclasses.replace(result, gate=compare(*pair(3, 1), gate=GateConfig(max_class_nfr=0.1)).gate)
    text = summary_text(found, names=("<script>", "b|c\n@me"))
    assert {len(row) for table in rows(text) for row in table} == {3, 6}
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert not re.search(r"<(?:script|a |img|b>)", html)


def test_it_is_written_whole_or_not_at_all(tmp_path, result):
    write_summary(tmp_path / "deep" / "s.md", result, names=("a", "b"))
    assert (tmp_path / "deep" / "s.md").read_text(encoding="utf-8") == summary_text(result, names=("a", "b"))
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        write_summary(tmp_path / "taken", result, names=("a", "b"))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["s.md"]
