"""What docs/select.md says was found stands in the record, and the record holds what is asked of the search."""

import json
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_says_what_was_counted():
    seeds = json.loads((DOCS / "evidence" / "select_copies.json").read_text(encoding="utf-8"))["seeds"]
    text = " ".join((DOCS / "select.md").read_text(encoding="utf-8").split())
    assert f"three draws (seeds {', '.join(str(one['seed']) for one in seeds[:-1])} and {seeds[-1]['seed']};" in text
    for kind in seeds[0]["planted"]:
        found, by_keypoints = (sum(one["planted"][kind][key] for one in seeds) for key in ("removed", "by keypoints"))
        assert f"| {found} | {by_keypoints} |" in text
        assert all(one["planted"][kind]["with its own original"] == one["planted"][kind]["removed"] for one in seeds)
    found = [sum(kind["removed"] for kind in one["planted"].values()) for one in seeds]
    assert [one["recall"] for one in seeds] == [count / 200 for count in found]
    said, shares = ("{}, {} and {}".format(*values) for values in (found, [f"{count / 2:.1f} %" for count in found]))
    assert f"{said} of 200 are found ({shares}), each with its own original." in text
    others = [one["rest removed"] for one in seeds]
    assert "{}, {} and {} others of the 3,000 are removed too".format(*others) in text
    assert [one["rest removed, judged different photographs"] for one in seeds] == [1, 1, 0]
    assert "in two draws one (0.03 %) was judged to be two photographs, the same pair" in text
    assert [len(one["pairs"]) for one in seeds] == others


def test_the_search_finds_what_is_asked_of_it():
    found = json.loads((DOCS / "evidence" / "select_copies.json").read_text(encoding="utf-8"))
    for seed in found["seeds"]:
        assert seed["recall"] >= 0.95
        assert seed["false removals"] <= 0.001
