"""The counts of planted slices in evidence/gate.md follow from the rows of its JSON."""

import json
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[2] / "docs" / "evidence"
FEATURES = ("network", "pixels")


@pytest.fixture(scope="module")
def found():
    return json.loads((DOCS / "gate_slices.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page():
    return " ".join((DOCS / "gate.md").read_text(encoding="utf-8").split())


def count(found, **wanted):
    rows = [one for one in found["plantings"] if all(one[key] == value for key, value in wanted.items())]
    return sum(one["found"] for one in rows), len(rows)


def test_what_holds(found, page):
    for name in FEATURES:
        few = [count(found, features=name, rate=0.2, share=share) for share in (0.05, 0.1)]
        assert (sum(one for one, _ in few), sum(of for _, of in few)) == {"network": (62, 72), "pixels": (50, 72)}[name]
    strong, weak, small = (
        [count(found, features=name, **of) for name in FEATURES]
        for of in ({"rate": 0.4}, {"rate": 0.1}, {"rate": 0.2, "share": 0.02})
    )
    assert f"{strong[0][0]} of {strong[0][1]} plantings are found by the network's features, {strong[1][0]} of" in page
    assert "62 of 72 and 50 of 72" in page
    assert f"{small[0][0]} of {small[0][1]} and {small[1][0]} of 36; at 10 %, {weak[0][0]} of {weak[0][1]} and" in page
    assert f"and {weak[1][0]} of {weak[1][1]}. A group not found" in page
    turned, smooth = ([count(found, features=name, kind=of)[0] for name in FEATURES] for of in ("turned", "smooth"))
    assert f"Turned images are found in {turned[0]} of 54 plantings by the network and {turned[1]} of 54 by" in page
    assert f"smooth ones in {smooth[1]} of 54 by the pixels and {smooth[0]} of 54 by the network" in page


def test_what_is_false(found, page):
    parts, nulls = [], []
    for name in FEATURES:
        rows = [one for one in found["plantings"] if one["features"] == name]
        parts.append(f"{sum(one['false'] for one in rows)} of {sum(one['groups'] for one in rows)}")
        runs = [one["found"] > 0 for one in found["nulls"] if one["features"] == name]
        nulls.append((sum(runs), len(runs)))
        assert len(runs) >= 40
        assert sum(runs) <= 0.05 * len(runs)
    assert f"Of the groups reported in plantings {' and '.join(parts)} are false" in page
    assert f"reported in {nulls[0][0]} of {nulls[0][1]} and {nulls[1][0]} of {nulls[1][1]} runs" in page
    pure = [[one["purity"] for one in found["plantings"] if one["found"] and one["features"] == n] for n in FEATURES]
    ends = [[round(100 * end) for end in np.quantile(one, [0.25, 0.75])] for one in pure]
    assert f"{ends[0][0]} to {ends[0][1]} % are planted" in page
    assert f"{ends[1][0]} to {ends[1][1]} % with the pixels" in page


@pytest.mark.parametrize("name", FEATURES)
def test_tables(found, page, name):
    by = [
        " / ".join(str(count(found, features=name, rate=rate, share=s)[0]) for s in (0.02, 0.05, 0.1))
        for rate in (0.1, 0.2, 0.4)
    ]
    assert f"| {name} | {' | '.join(by)} |" in page
    for kind in sorted({one["kind"] for one in found["plantings"]}):
        cells = [
            " / ".join(str(count(found, features=one, kind=kind, rate=rate)[0]) for rate in (0.1, 0.2, 0.4))
            for one in FEATURES
        ]
        assert f"| {kind} | {' | '.join(cells)} |" in page
    assert found["dirty"] is False
