"""Every figure in the findings on pretrained teachers follows from the raw values.

As in ``test_claims``: each claim is written out from the records and must stand in the page word for word.
"""

import pytest
from tests.evidence.test_claims import DOCS, accuracies, check, findings, raw, said

NAME = "distill_pretrained"


def gap(arm, than):
    """Paired difference of two arms in points, with its interval."""
    return said(accuracies(NAME, arm) - accuracies(NAME, than), 2)


def level(arm):
    return f"{100 * accuracies(NAME, arm).mean():.1f} %"


def claims():
    yield f"the teacher is right on {level('teacher')}, the small student on its labels alone on {level('A')}"
    yield f"by the teacher and the pool the small student gains {gap('C', 'A')} points (C less A)"
    yield f"the teacher alone, without a pool (B less A): {gap('B', 'A')}"
    yield f"the pool beside the teacher (C less B): {gap('C', 'B')}"
    yield f"the student stays {gap('teacher', 'C')} points below its teacher"
    yield f"lite0 by itself is right on {level('D')}, {gap('teacher', 'D')} points less than the teacher"
    yield f"the teacher and the pool bring it {gap('E', 'D')} (E less D)"


def page():
    return (DOCS / "evidence" / f"{NAME}.md").read_text(encoding="utf-8")


def test_findings_follow_from_the_records():
    assert check(findings(page(), "<!-- findings -->", "<!-- tables -->"), claims()) == []


def test_the_table_is_that_of_the_records(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "evidence"))
    import distill_pretrained

    assert page().partition("<!-- tables -->")[2].strip() == distill_pretrained.markdown(raw(NAME)).strip()


@pytest.mark.parametrize("arm", ["teacher", "A", "B", "C", "D", "E", "cache_pool", "cache_labelled"])
def test_every_arm_has_every_seed(arm):
    found = raw(NAME)
    assert {"commit", "torch", "numpy", "modelheir"} <= set(found)
    assert len(found["seeds"]) >= 3
    rows = [row for row in found["records"] if row["arm"] == arm]
    assert sorted(row["seed"] for row in rows) == sorted(found["seeds"])
    assert all(row["seconds"] > 0 for row in rows)
