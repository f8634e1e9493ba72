"""The page tells what a run tried, best first, and says what the run says of the choice."""

from modelheir import report
from modelheir.report.tried import tried

RESULT = {
    "test/accuracy": {"value": 0.9},
    "algorithm/supervised": {"value": 0.8, "selection": 0.79, "interval": [0.75, 0.85], "views": {"a": 0.7, "b": 0.6}},
    "algorithm/mct": {
        "value": 0.9,
        "selection": 0.91,
        "chosen": True,
        "said": ["Use mct.", "<b>Both</b>"],
        "note": "x",
    },
}
BINS = [{"confidence": 0.9, "accuracy": 0.5, "n": 10}]


def test_ways_stand_best_first_with_what_is_said():
    found = tried("few", RESULT)
    assert [row["name"] for row in found["rows"]] == ["mct", "supervised"]
    assert (found["run"], found["kind"], found["lines"], found["drawn"]) == (
        "few",
        "Algorithm",
        ["Use mct.", "<b>Both</b>"],
        None,
    )


def test_a_note_is_read_where_nothing_else_is_said_and_other_runs_tried_nothing():
    rows = {"strategy/erm_all": {"value": 0.5, "selection": 0.5, "chosen": True, "note": "one\ntwo"}}
    assert tried("newest", rows)["lines"] == ["one", "two"]
    assert tried("newest", rows)["kind"] == "Strategy"
    assert tried("plain", {"test/accuracy": {"value": 0.9}}) is None


def test_it_is_on_the_page_and_escaped(tmp_path, outline):
    way = tried("few", RESULT, {"old": BINS, "new": BINS})
    runs = [{"name": "few", "error": 0.1, "seeds": [0]}]
    text = report.write_runs(tmp_path / "page.html", runs, ways=[way]).read_text("utf-8")
    for words in ("What few tried", "mct <small>(kept)</small>", "&lt;b&gt;Both&lt;/b&gt;", "70", "Reliability"):
        assert words in text, words
    assert "labels alone: confidence 90" in text
    plain = report.write_runs(tmp_path / "plain.html", runs).read_text("utf-8")
    assert "tried" not in plain.partition("<main")[2].partition("Terms")[0] or "What few tried" not in plain
