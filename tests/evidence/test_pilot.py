"""What the page on forecasts says follows from the raw values; coverage, signs and widths are counted anew here."""

import json

from tests.evidence.test_claims import DOCS


def read():
    return json.loads((DOCS / "evidence" / "pilot_forecasts.json").read_text(encoding="utf-8"))


def page():
    return (DOCS / "evidence" / "pilot.md").read_text(encoding="utf-8")


def test_the_findings_are_those_of_the_records():
    rows = read()["rows"]
    assert {"commit", "torch", "numpy", "modelheir"} <= set(read())
    assert len({(row["data"], row["labels a class"], row["teacher"]) for row in rows}) == len(rows) == 12
    covered = sum(row["interval"][0] <= sum(row["gains"]) / 3 <= row["interval"][1] for row in rows)
    signs = sum(row["forecast"] * sum(row["gains"]) > 0 for row in rows)
    decided = [row for row in rows if row["interval"][0] > 0 or row["interval"][1] < 0]
    assert all(row["forecast"] * sum(row["gains"]) > 0 for row in decided)
    width = sum(row["interval"][1] - row["interval"][0] for row in rows) / len(rows)
    text = " ".join(page().split())
    assert f"covers the outcome in {covered} of {len(rows)}; the sign of the forecast is right in {signs};" in text
    assert f"{len(decided)} intervals leave out 0, and both have the right sign." in text
    assert f"Their mean width is {100 * width:.1f} points" in text
    said = " ".join((DOCS / "pilot.md").read_text(encoding="utf-8").split())
    assert f"in {covered} of {len(rows)} combinations" in said


def test_the_table_is_that_of_the_records(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "evidence"))
    import pilot

    assert page().partition("<!-- tables -->")[2].strip() == "\n".join(pilot.table(read()["rows"])).strip()
