"""Every figure in the findings about co-training follows from the raw values.

As in ``test_claims``: each claim is written out from the records and must stand in the page word for word.
"""

import numpy as np
import pytest
from tests.evidence.test_claims import DOCS, check, findings, raw, said

NAME = "cotrain"
LABELS = {
    "digits": ("1 per class", "5 per class", "10 per class"),
    "cifar10": ("1 %", "10 %"),
    "gaussians, alike": ("2 per class",),
}
FEW = ["supervised", "concatenated", "label_spreading", "pseudo_label", "cotrain", "mct"]
FEW += ["mct, no feedback", "mct, shuffled feedback"]
ARMS = [*FEW, "logistic", "svm", "consistency", "mpl"]


def of(data, labels, arm):
    """Accuracies, seed by seed."""
    found = [row for row in raw(NAME)["records"] if (row["data"], row["labels"], row["arm"]) == (data, labels, arm)]
    return np.array([row["accuracy"] for row in sorted(found, key=lambda row: row["seed"])])


def gaps(data, arm, than):
    """Paired differences, for each number of labels."""
    told = ", ".join(said(of(data, labels, arm) - of(data, labels, than), 1) for labels in LABELS[data])
    return f"{arm} less {than}: {told}"


def values(data, arm):
    """Accuracies in percent, for each number of labels."""
    return f"`{arm}` {', '.join(said(of(data, labels, arm), 1) for labels in LABELS[data])}"


def claims():
    for arm in ("supervised", "mct", "cotrain", "label_spreading"):
        yield values("digits", arm)
    for arm, than in (
        ("mct", "concatenated"),
        ("cotrain", "concatenated"),
        ("pseudo_label", "concatenated"),
        ("mct", "cotrain"),
        ("mct", "label_spreading"),
        ("mct", "pseudo_label"),
        ("mct", "mct, no feedback"),
        ("mct, no feedback", "mct, shuffled feedback"),
        ("mpl", "concatenated"),
        ("consistency", "concatenated"),
    ):
        yield gaps("digits", arm, than)
    for arm in ("supervised", "concatenated", "logistic", "pseudo_label", "cotrain", "mct"):
        yield values("cifar10", arm)
    for arm, than in (
        ("mct", "concatenated"),
        ("cotrain", "concatenated"),
        ("pseudo_label", "concatenated"),
        ("mpl", "concatenated"),
        ("mct", "logistic"),
        ("pseudo_label", "logistic"),
        ("mct", "pseudo_label"),
        ("mct", "mct, no feedback"),
        ("mct, no feedback", "mct, shuffled feedback"),
    ):
        yield gaps("cifar10", arm, than)
    for arm in ("supervised", "concatenated", "cotrain", "mct"):
        yield values("gaussians, alike", arm)
    for arm, than in (("mct", "cotrain"), ("mct", "mct, no feedback"), ("mct", "pseudo_label")):
        yield gaps("gaussians, alike", arm, than)


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
    for data, every in LABELS.items():
        for labels in every if arm in FEW or not data.startswith("gaussians") else ():
            rows = [r for r in found["records"] if (r["data"], r["labels"], r["arm"]) == (data, labels, arm)]
            assert sorted(row["seed"] for row in rows) == sorted(found["seeds"])
