"""What docs/select.md says was found stands in the record, and the record holds what is asked of the search."""

import json
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_says_what_was_counted():
    found = json.loads((DOCS / "evidence" / "select_copies.json").read_text(encoding="utf-8"))
    (seed,) = found["seeds"]
    text = " ".join((DOCS / "select.md").read_text(encoding="utf-8").split())
    kinds = seed["planted"].values()
    removed, planted = sum(one["removed"] for one in kinds), sum(one["planted"] for one in kinds)
    assert f"one draw (seed {seed['seed']};" in text
    for kind in kinds:
        assert f"| {kind['removed']} | {kind['by keypoints']} |" in text
        assert kind["with its own original"] == kind["removed"]
    others, unlike = seed["rest removed"], seed["rest removed, judged different photographs"]
    assert f"{removed} of {planted} are found ({100 * removed / planted:.1f} %), each with its own original." in text
    assert f"{others} others of the {seed['rest']:,} are removed too" in text
    assert unlike == 1
    assert f"one ({100 * unlike / seed['rest']:.2f} %) was judged to be two photographs" in text
    assert len(seed["pairs"]) == others


def test_the_search_finds_what_is_asked_of_it():
    found = json.loads((DOCS / "evidence" / "select_copies.json").read_text(encoding="utf-8"))
    for seed in found["seeds"]:
        assert seed["recall"] >= 0.95
        assert seed["false removals"] <= 0.001
