"""Every figure in the findings about co-training follows from the raw values.

As in ``test_claims``: each claim is written out from the records and must stand in the page word for word.
"""

import numpy as np
import pytest
from tests.evidence.test_claims import DOCS, check, findings, raw, said

NAME = "cotrain"
LABELS = ("1 per class", "5 per class", "10 per class")
ARMS = ["supervised", "concatenated", "logistic", "svm", "label_spreading", "pseudo_label", "consistency", "cotrain"]
ARMS += ["mct", "mpl", "mct, no feedback", "mct, shuffled feedback"]


def of(labels, arm):
    """Accuracies on the digits, seed by seed."""
    found = [row for row in raw(NAME)["records"] if (row["data"], row["labels"], row["arm"]) == ("digits", labels, arm)]
    return np.array([row["accuracy"] for row in sorted(found, key=lambda row: row["seed"])])


def gaps(arm, than):
    """Paired differences for 1, 5 and 10 labels a class."""
    return ", ".join(said(of(labels, arm) - of(labels, than), 1) for labels in LABELS)


def claims():
    for arm in ("supervised", "mct", "cotrain", "label_spreading"):
        yield f"`{arm}` {', '.join(said(of(labels, arm), 1) for labels in LABELS)}"
    for arm, than in (
        ("mct", "concatenated"),
        ("cotrain", "concatenated"),
        ("pseudo_label", "concatenated"),
        ("mct", "cotrain"),
        ("mct", "label_spreading"),
        ("mct", "mct, no feedback"),
        ("mct, no feedback", "mct, shuffled feedback"),
        ("mpl", "concatenated"),
        ("consistency", "concatenated"),
    ):
        yield f"{arm} less {than}: {gaps(arm, than)}"


def page():
    return (DOCS / "evidence" / f"{NAME}.md").read_text(encoding="utf-8")


def test_findings_follow_from_the_records():
    assert check(findings(page(), "<!-- findings -->", "<!-- tables -->"), claims()) == []


def test_the_tables_are_those_of_the_records(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "evidence"))
    import cotrain

    assert page().partition("<!-- tables -->")[2].strip() == cotrain.markdown(raw(NAME)).strip()


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_has_every_seed(arm):
    found = raw(NAME)
    assert {"commit", "torch", "numpy", "modelheir"} <= set(found)
    assert len(found["seeds"]) >= 3
    for labels in LABELS:
        rows = [r for r in found["records"] if (r["data"], r["labels"], r["arm"]) == ("digits", labels, arm)]
        assert sorted(row["seed"] for row in rows) == sorted(found["seeds"])
