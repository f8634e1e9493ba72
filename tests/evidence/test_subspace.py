"""Every figure in the findings about subspaces follows from the raw values, and the tables are theirs."""

import numpy as np
import pytest
from tests.evidence.test_claims import DOCS, check, findings, raw, said

NAME = "subspace"
WAYS = ["cut", "recalibrated", "anneal", "swa", "ema", "lawa", "twa", "psgd", "pbfgs", "random"]
SETS = {"usual": [*WAYS, "greedy", "full"], "fine-tuning": WAYS}


def of(name, way):
    """Accuracies, seed by seed."""
    found = [row for row in raw(NAME)["records"] if (row["set"], row["way"]) == (name, way)]
    return np.array([row["accuracy"] for row in sorted(found, key=lambda row: row["seed"])])


def gap(name, way, than="cut"):
    """A paired difference with its interval, in words."""
    return f"`{way}` less `{than}` {said(of(name, way) - of(name, than), 2)}"


def accuracy(name, way):
    """Accuracy in percent."""
    return f"`{way}` {said(of(name, way), 2)}"


def claims():
    for name, ways in SETS.items():
        yield accuracy(name, "cut")
        for way in ways:
            if way != "cut":
                yield gap(name, way)
        for way, than in (("psgd", "anneal"), ("psgd", "random"), ("psgd", "ema"), ("pbfgs", "psgd"), ("twa", "ema")):
            yield gap(name, way, than)
    yield gap("usual", "psgd", "full")


def page():
    return (DOCS / "evidence" / f"{NAME}.md").read_text(encoding="utf-8")


def test_findings_follow_from_the_records():
    assert check(findings(page(), "<!-- findings -->", "<!-- tables -->"), claims()) == []


def test_the_tables_are_those_of_the_records(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "evidence"))
    import importlib

    script = importlib.import_module("subspace")
    assert page().partition("<!-- tables -->")[2].strip() == script.markdown(raw(NAME)).strip()


@pytest.mark.parametrize("name", SETS)
def test_every_way_has_every_seed(name):
    found = raw(NAME)
    assert {"commit", "torch", "numpy", "modelheir"} <= set(found)
    assert len(found["seeds"]) >= 3
    for way in SETS[name]:
        rows = [r for r in found["records"] if (r["set"], r["way"]) == (name, way)]
        assert sorted(row["seed"] for row in rows) == sorted(found["seeds"])
