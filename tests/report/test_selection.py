"""The page of a selection: names escaped, counts and thresholds on it, its table beside it."""

import csv
import io
import re

import numpy as np
import pytest
from PIL import Image

from modelheir import report
from modelheir.report.figures import class_counts

FOUND = {
    "pool": 1234,
    "bad": {"<i>bad.png": "not an image"},
    "removed": {"test": {"exact": 1, "correlation": 1}},
    "off_topic": 7,
    "chosen": 30,
    "labelled": 12,
    "top_k": 20,
    "teacher_accuracy_on_val": 0.875,
    "classes": [
        {"name": "cat & <dog>", "pool": 40, "chosen": 20, "lowest": 0.5, "labelled": 6},
        {"name": "=owl", "pool": 10, "chosen": 10, "lowest": None, "labelled": 6},
    ],
    "notes": ["1 of 2 classes have fewer than 20 images: =owl."],
    "copies_confirmed_by": "keypoints",
    "settings": {"dedup": {"ratio": 0.75, "train": True}},
}


def png():
    store = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(store, "PNG")
    return store.getvalue()


def write(tmp_path, **changes):
    pairs = [
        report.Pair("a<script>", "t/1", "exact", 1.0, "test", png(), png()),
        report.Pair("b", "t/2", "correlation", 0.9432, "test", png()),
    ]
    usual = {"pairs": pairs, "total": 2, "reasons": {"exact": "the same pixels"}, "title": "T", "provenance": {}}
    return report.write_selection(tmp_path / "report.html", FOUND, **{**usual, **changes})


def test_the_page_says_it_all_and_escapes_names(tmp_path):
    text = write(tmp_path).read_text(encoding="utf-8")
    assert "a<script>" not in text
    assert "<i>bad" not in text
    assert "a&lt;script&gt;" in text
    assert text.count("<img ") == 3
    assert text.count("no picture at hand") == 1
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    for said in (
        "1,234 images in the pool", "30 images are selected, beside 12 labelled ones", "2 of the pool are left out",
        "7 are, by the teacher's word, of a class that the data lacks", "right on 87.50% of the val images",
        "correlation: 0.9432", "1 of 2 classes have fewer images", "dedup.ratio 0.75", "dedup.train yes",
    ):  # fmt: skip
        assert said in words.replace("&#39;", "'"), said
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report.table.csv").read_text())))
    assert [row["chosen"] for row in rows] == ["20", "10"]
    assert rows[1]["name"] == "'=owl"
    assert rows[1]["lowest"] == ""


def test_without_pictures_the_pairs_are_a_list(tmp_path):
    pairs = [report.Pair("a", "b", "exact", 1.0, "pool")]
    text = write(tmp_path, pairs=pairs, total=9).read_text(encoding="utf-8")
    assert "<img " not in text
    assert "1 of 9 pairs" in text
    assert "were not at hand" in text


def test_no_copies_is_said(tmp_path):
    assert "No image of the pool is a copy." in write(tmp_path, pairs=[], total=0).read_text(encoding="utf-8")


@pytest.mark.parametrize(("chosen", "kind"), [(20, "fill new"), (3, "fill neg")])
def test_a_bar_is_as_long_as_its_count(chosen, kind):
    drawn = str(class_counts(["x"], [chosen], wanted=20))
    (width,) = re.findall(rf'width="([\d.]+)" height="15" rx="2" class="{kind}"', drawn)
    assert float(width) == pytest.approx((440 - 52 - 116) * chosen / 20, abs=0.01)
    assert f"x: {chosen} of 20" in drawn
