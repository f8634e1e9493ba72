"""The page on fewer labels shows what its script makes of the records, and its sentences follow from them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

DOCS = Path(__file__).parents[2] / "docs" / "evidence"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(DOCS))
    import gate_labels

    yield gate_labels
    sys.path.remove(str(DOCS))
    del sys.modules["gate_labels"]


@pytest.fixture(scope="module")
def result():
    return json.loads((DOCS / "gate_labels.json").read_text(encoding="utf-8"))


def test_the_page_shows_the_records(script, result):
    page = (DOCS / "gate_labels.md").read_text(encoding="utf-8")
    found = script.tables(result).split("\n\n")
    assert len(found) == 4
    assert [table for table in found if table not in page] == []
    for number in (result["draws"], result["hard_draws"], result["commit"][:10], result["versions"]["scipy"]):
        assert str(number) in page


def test_what_the_page_says_follows_from_the_records(result):
    rows = [row for one in result["settings"] for row in one["shares"]]
    assert all(row["wrong"] == row["opposite"] == 0 for row in rows)
    assert all(row["same"] == 1 for row in rows if row["share"] == 1)
    assert all(row["wrong"] == 0 for one in result["settings"] for row in one["sequential"])
    far = [
        row["same"]
        for one in result["settings"]
        for row in one["shares"]
        if (row["factor"], row["share"]) == (2, 0.1) and (one["images"], one["nfr"]) != (10_000, 0.005)
    ]
    assert min(far) == 1
    assert len(far) == 5
    for one in result["settings"]:
        assert one["labels_of_all"] == pytest.approx(one["nfr"] / 0.3, rel=0.05)
        assert all(row["decided"] == row["all"] for row in one["gain"] if row["share"] == 1)
    for row in result["hardest"]:
        for name in ("all", "fifth", "sequential"):
            count = round(row[name] * result["hard_draws"])
            assert binomtest(count, result["hard_draws"], 0.025, alternative="greater").pvalue > 0.01
        assert row["exact_at_every_look"] > 0.1


def test_a_small_run_counts_by_the_rules(script):
    rng = np.random.default_rng(1)
    kinds, place = script.draw(2000, 0.03, rng)
    now = script.seen(2000, kinds, place, 50)
    assert (now.images, now.disagreeing, now.labelled, now.covered) == (2000, len(kinds), 50, place[50])
    assert now.flips.tolist() == [
        0,
        *(int((kinds[:50] == kind).sum()) for kind in (0, 1)),
        0,
        int((kinds[:50] == 2).sum()),
    ]
    assert script.seen(2000, kinds, place, len(kinds)).covered == 2000
    assert len(kinds) / 2000 == pytest.approx(0.1, abs=0.03)
    assert [script.verdict((0.1, 0.2), bound) for bound in (0.2, 0.15, 0.1, 0.09)] == ["ship", "open", "open", "hold"]
    assert script.is_wrong("ship", 0.8)
    assert script.is_wrong("hold", 1.25)
    assert not script.is_wrong("open", 0.8)
