"""Contact sheets of found slices: every group, its words as text, its pictures, and a word where none was found."""

import dataclasses
import re

import pytest

from modelheir import report
from modelheir.analysis.record import Rate
from modelheir.analysis.slices.found import FoundSlice, FoundSlices, Member, Word
from modelheir.report.found_slices import MOST, sheets

EVIL = "<script>alert(1)</script>"


def group(ids, **changes):
    members = tuple(Member(name, EVIL, EVIL, "=cmd & \"quoted\" 'too'") for name in ids)
    kept = tuple(dataclasses.replace(one, new=EVIL) for one in members)
    word = Word("true class", EVIL, 0.75, 0.25, 3.0)
    found = FoundSlice(
        rule="one of 8 clusters",
        n=40,
        true_class="<i>cat</i>",
        n_tested=19,
        nfr=Rate(0.2345, (0.1, 0.4)),
        nfr_rest=Rate(0.0123, (0.01, 0.02)),
        p=0.001,
        p_corrected=0.004,
        words=(word, Word("<b>site</b>", "x\u202ey", 0.5, 0.1, 5.0)),
        sample_id=tuple(ids),
        nearest=kept,
        n_broken=21,
        broken=members,
    )
    return dataclasses.replace(found, **changes)


def all_of(*groups):
    return FoundSlices(groups, 100, 98, (4, 8), 55, 9, 0.05)


@pytest.fixture
def page(tmp_path, result, chosen, images, outline):
    def write(found, pictures=images):
        path = tmp_path / "page.html"
        full = dataclasses.replace(result, found_slices=found)
        report.write_compare(path, full, flipped=chosen, names=("v1", "v2"), images=pictures)
        return outline(path), path.read_text()

    return write


def test_words_rates_and_pictures_stand_on_the_page_as_text(page):
    found, text = page(all_of(group("abc")))
    assert len(found.all("script")) == 2
    assert not found.all("i")
    for words in (
        "1. 40 images of class <i>cat</i>",
        "23.45% [10.00, 40.00] of the 19 tested, against 1.23% [1.00, 2.00] elsewhere; p 0.004",
        "1 group of like images breaks more",
        "Newly wrong, 3 of 21",
        EVIL,
        "<b>site</b>",
        "75.0% 25.0% 3",
        "Made as one of 8 clusters",
    ):
        assert words in found.text, words
    section = text[text.index('id="found"') : text.index('id="flips"')]
    assert section.count('<img src="data:image/png;base64,') == 4  # a and b twice; c has none
    assert section.count("no picture at hand") == 2
    assert "\u202e" not in text
    assert any(attrs.get("href") == "#found" for attrs in found.all("a"))
    assert not re.search(r"<i>|alert\(1\)</script>[^<]*<span", section)


def test_no_group_no_pictures_and_no_search(page):
    found, text = page(all_of())
    assert "No group of like images was found to break more" in found.text
    found, text = page(all_of(group("abc"), group("d", true_class="")), None)
    assert "The images themselves were not at hand." in found.text
    assert "2. 40 images Newly wrong" in found.text
    assert 'class="sheet bare"' in text
    found, text = page(None)
    assert 'id="found"' not in text


def test_each_picture_is_asked_for_once_and_a_row_is_short():
    asked = []
    many = group([f"m{k}" for k in range(30)])
    made = sheets(all_of(many, many), lambda ids: asked.append(ids) or {})
    assert asked == [[f"m{k}" for k in range(MOST)]]
    assert [len(one.broken) for one in made] == [MOST, MOST]
    assert not made[0].pictured
    assert sheets(all_of(), lambda ids: pytest.fail("nothing to ask for")) == ()
