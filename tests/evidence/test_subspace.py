"""Every figure in the findings about subspaces follows from the raw values, and the tables are theirs."""

import numpy as np
import pytest
from tests.evidence.test_claims import DOCS, check, findings, raw, said

NAME = "subspace"
WAYS = ["cut", "recalibrated", "anneal", "swa", "ema", "lawa", "greedy", "twa", "psgd", "pbfgs", "random"]
SETS = {"usual": [*WAYS, "full"], "constant": WAYS, "noise": WAYS, "fine-tuning": WAYS}
SETS |= {"mean": ["psgd", "pbfgs"], "first": ["psgd", "pbfgs"]}


def of(name, way):
    """Accuracies, seed by seed."""
    found = [row for row in raw(NAME)["records"] if (row["set"], row["way"]) == (name, way)]
    return np.array([row["accuracy"] for row in sorted(found, key=lambda row: row["seed"])])


def gap(name, way, than, of_set=None):
    """A paired difference with its interval."""
    return said(of(name, way) - of(of_set or name, than), 2)


def claims():
    for name in ("usual", "constant", "noise", "fine-tuning"):
        for way in SETS[name]:
            if way != "cut":
                yield f"{way} {gap(name, way, 'cut')}"
            if way not in ("cut", "anneal"):
                yield f"{way} less anneal {gap(name, way, 'anneal')}"
        yield f"psgd less random {gap(name, 'psgd', 'random')}"
        yield f"pbfgs less psgd {gap(name, 'pbfgs', 'psgd')}"
    for begin in ("mean", "first"):
        for way in ("psgd", "pbfgs"):
            yield f"{way} {gap(begin, way, 'cut', 'usual')}"


def page():
    return (DOCS / "evidence" / f"{NAME}.md").read_text(encoding="utf-8")


def test_findings_follow_from_the_records():
    """Each figure of the findings is among what the records say; not each of these need be told."""
    text = findings(page(), "<!-- findings -->", "<!-- tables -->")
    assert not [one for one in check(text, claims()) if "not among" in one]


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
