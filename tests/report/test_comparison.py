import csv
import dataclasses
import datetime
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from modelheir import report
from modelheir.analysis.compare import compare
from modelheir.analysis.flipped import flipped
from modelheir.analysis.gate.bounds import GateConfig
from modelheir.analysis.gate.verdict import HOLD, SHIP, UNDECIDED, Verdict
from modelheir.checks import InputError
from modelheir.runs.by_id.remembered import Remembered
from modelheir.types import Predictions

DAY = datetime.date(2026, 11, 29)


@pytest.fixture
def written(tmp_path, result, chosen, images):
    other = {"name": "</script><b>other", "error": 0.2, "nfr": 0.1, "nfr_interval": [0.05, 0.2]}
    return report.write_compare(
        tmp_path / "deep" / "page.html",
        dataclasses.replace(result, others=(other,)),
        flipped=chosen,
        names=("v1 <i>", "v2"),
        images=images,
        curves={"v2": [{"epoch": 0, "loss": 1.0}, {"epoch": 1, "loss": 0.5}]},
        provenance={"v2": {"commit": "3f2a9c1", "dirty": True}},
    )


def test_the_page_stands_alone_and_says_so(written, outline):
    page = outline(written)
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    for tag, attributes in page.elements:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", written.read_text())


def test_names_are_text_everywhere(written, outline):
    page = outline(written)
    assert len(page.all("script")) == 2  # the result as data, and our own
    assert not page.all("b", **{"class": "x"})
    assert not page.all("i")
    for name in ("<script>alert(1)</script>", "</script><b>other", "v1 <i>", "class <b>x</b> breaks 50%"):
        assert name in page.text


def test_the_result_in_the_page_is_the_result(written, result):
    text = re.search(r'<script type="application/json" id="result">(.*?)</script>', written.read_text(), re.S).group(1)
    found = json.loads(text)
    assert {key: value for key, value in found.items() if key != "others"} == result
    assert found["others"][0]["name"] == "</script><b>other"


def test_verdict_and_numbers_are_words(written, outline):
    page = outline(written)
    assert "Hold: a bound is clearly missed" in page.text
    assert "newly wrong on 16.67% of all images [0.42, 64.12]" in page.text
    assert "50.00%" in page.text
    assert "yes: uncommitted changes" in page.text
    assert "All 4 flipped images" in page.text


def test_the_gate_has_four_states(tmp_path, result, chosen, outline):
    states = {
        SHIP: "Ship: every bound is shown to be met",
        HOLD: "Hold: a bound is clearly missed",
        UNDECIDED: "Not enough images to decide",
        None: "No verdict",
    }
    for verdict, words in states.items():
        found = dataclasses.replace(result, gate=Verdict(verdict, (), (), GateConfig()))
        page = outline(report.write_compare(tmp_path / "p.html", found, flipped=chosen, names=("a", "b")))
        assert words in page.text


def test_remembered_images_have_a_section(tmp_path, pair, chosen, outline):
    """Two of three that are there are wrong again; a name is text."""
    ids, names = ("a", "b", "f", "<i>x", "a"), ("</td><b>v1", "v2", "v2", "v2", "v3")
    known = Remembered(ids, names, ("v<u>.csv",) * 5, ("cat",) * 5, (None,) * 5, (DAY,) * 5, "flips.parquet")
    found = compare(*pair, remembered=known, release=("v3", "v<u>.csv"))
    page = outline(report.write_compare(tmp_path / "p.html", found, flipped=chosen, names=("a", "b")))
    for words in (
        "Of 3 images that earlier releases broke, the new model gets 2 wrong again: 66.67% [9.43, 99.16].",
        "1 more is gone from the data.",
        "1 of this very release is left out.",
        "</td><b>v1 v<u>.csv 1 1 100.00%",
        "v2 v<u>.csv 2 1 50.00%",
        "Wrong again: a, f.",
        "Gone from the data: <i>x.",
    ):
        assert words in page.text, words
    assert page.all("a", href="#replay")
    assert not page.all("i")
    assert not page.all("u")
    none = report.write_compare(tmp_path / "n.html", compare(*pair), flipped=chosen, names=("a", "b"))
    assert "Remembered images" not in outline(none).text
    empty = compare(*pair, remembered=Remembered())
    path = report.write_compare(tmp_path / "e.html", empty, flipped=chosen, names=("a", "b"))
    assert "No image that an earlier release broke is in the data." in outline(path).text


def test_a_note_stands_with_the_verdict(tmp_path, result, chosen, outline):
    found = dataclasses.replace(result, note="<b>meta.csv lacks 1 of 6 images")
    page = outline(report.write_compare(tmp_path / "p.html", found, flipped=chosen, names=("a", "b")))
    assert "<b>meta.csv lacks 1 of 6 images." in page.text


def test_every_picture_of_the_gallery_has_a_text(written, outline):
    page = outline(written)
    pictures = page.all("img")
    assert len(pictures) == 3
    assert all(picture["alt"].startswith("Image ") for picture in pictures)
    assert "no picture at hand" in page.text
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in page.all("svg"))
    assert all("scope" in head for head in page.all("th"))


def test_a_real_comparison_is_shown_whole(tmp_path, pair, images, outline):
    old, new = pair
    columns = {"writer": np.array(["ann", "bob", "<b>", "ann", "bob", "<b>"])}
    old = dataclasses.replace(old, columns=columns)
    gate = GateConfig(max_nfr=0.4, min_accuracy_gain=-1.0)
    result = compare(old, new, slices=["writer"], gate=gate)
    chosen = flipped(old, new)
    path = report.write_compare(tmp_path / "p.html", result, flipped=chosen, names=("a", "b"), images=images)
    page = outline(path)
    for words in (
        "Not enough images to decide",
        "Calibration error (ECE)",
        "Brier score",
        "Graded NFR",
        "The average of both models (by logits)",
        "share of the new model's errors that the old model makes too",
        *(check["sentence"] for check in result["gate"]["checks"]),
        *result["gate"]["notes"],
    ):
        assert words in page.text, words
    assert [found for found in page.all("section") if found.get("id") in ("slices", "reliability")]
    with path.with_suffix(".table.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["group"] for row in rows] == ["all"] + ["class"] * 3 + ["slice writer"] * 3
    for row, said in zip(rows[1:4], result["per_class"], strict=True):
        for key in ("nfr", "pfr", "p_corrected", "relative_nfr"):
            assert float(row[key]) == said[key]
        assert float(row["pfr_high"]) == said["pfr_interval"][1]


def test_the_table_beside_holds_the_same_values(written, result):
    with written.with_suffix(".table.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["group"] for row in rows] == ["all", "class", "class", "class"]
    assert float(rows[0]["nfr"]) == result["nfr"]
    assert [float(rows[0]["nfr_low"]), float(rows[0]["nfr_high"])] == result["intervals"]["nfr"]
    assert float(rows[0]["p"]) == result["mcnemar_p"]
    assert rows[3]["name"] == "'" + result["per_class"][2]["class"]


def test_without_scores_and_pictures_there_is_still_a_page(tmp_path, pair, outline):
    old, new = (dataclasses.replace(one, logits=None) for one in pair)
    found, chosen = compare(old, new), flipped(old, new)
    page = outline(report.write_compare(tmp_path / "p.html", found, flipped=chosen, names=("a", "b")))
    assert "The images themselves were not at hand" in page.text
    assert not page.all("section", id="reliability")


def test_pictures_that_are_not_there_any_more_are_said_to_be_gone(tmp_path, result, chosen, outline):
    path = report.write_compare(tmp_path / "p.html", result, flipped=chosen, names=("a", "b"), images=lambda ids: {})
    page = outline(path)
    assert "The images themselves were not at hand" in page.text
    assert "no picture at hand" not in page.text


def test_models_that_never_differ(tmp_path, pair, outline):
    old, _ = pair
    page = outline(
        report.write_compare(tmp_path / "p.html", compare(old, old), flipped=flipped(old, old), names=("a", "a"))
    )
    assert "No image changed sides" in page.text
    assert "No class has an image that changed sides" in page.text
    assert not page.all("div", **{"class": "filters"})
    assert not page.all("svg", **{"class": "figure class-flips"})


def of_classes(count, lost):
    """Compare two models on two images a class, the first of which the new one breaks in ``lost`` classes."""
    label = np.repeat(np.arange(count), 2)
    new = np.where((np.arange(2 * count) % 2 == 0) & (label < lost), (label + 1) % count, label)
    ids = np.arange(2 * count).astype(str)
    old, new = Predictions(ids, label, label), Predictions(ids, label, new)
    return compare(old, new), flipped(old, new)


@pytest.mark.parametrize(
    ("lost", "drawn", "words"),
    [
        (45, 30, "The picture shows the 30 classes with the most new mistakes, the table all 45."),
        (
            3,
            3,
            "The picture shows the 3 classes whose images changed sides, most new mistakes first; the table all 45.",
        ),
        (1, 1, "The picture shows the 1 class whose images changed sides"),
    ],
)
def test_only_classes_with_flips_are_drawn(tmp_path, outline, lost, drawn, words):
    found, chosen = of_classes(45, lost)
    path = report.write_compare(tmp_path / "p.html", found, flipped=chosen, names=("a", "b"))
    assert words in outline(path).text
    assert f"Flips by class, {drawn} classes" in path.read_text()


def test_confusion_is_drawn_for_few_classes_and_listed(written, outline, result):
    page = outline(written)
    assert len(page.all("svg", **{"class": "figure confusion"})) == 2
    assert "stronger its colour, on one scale for both models" in page.text
    label, said, old, new = result.confusion.mistakes(1)[0]
    assert f"Label Taken for Old New {label} {said} {old} {new} " in page.text
    first = result.by_new_mistakes()[0]
    rates = " ".join(
        "\N{EN DASH}" if value is None else f"{value:.2%}"
        for rate in ("precision", "recall", "f1")
        for value in (first.answers[f"{rate}_old"], first.answers[f"{rate}_new"])
    )
    assert f"Most taken for, new {first.name} {rates} " in page.text
    with written.with_suffix(".table.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row, of in zip(rows[1:], result["per_class"], strict=True):
        for key in ("precision_old", "precision_new", "recall_old", "recall_new", "f1_old", "f1_new"):
            assert row[key] == ("" if of[key] is None else str(of[key]))
        assert row["confused_with_new"].removeprefix("'") == (of["confused_with_new"] or "")


@pytest.mark.parametrize(("classes", "drawn"), [(30, 2), (31, 0)])
def test_more_than_thirty_classes_are_listed_alone(tmp_path, outline, classes, drawn):
    found, chosen = of_classes(classes, 4)
    path = report.write_compare(tmp_path / "p.html", found, flipped=chosen, names=("a", "b"))
    page = outline(path)
    assert len(page.all("svg", **{"class": "figure confusion"})) == drawn
    assert ("The 31 classes are too many for a picture; the JSON holds every pair." in page.text) is not bool(drawn)
    assert "Label Taken for Old New 0 1 0 1 1 2 0 1 " in page.text


def test_models_without_a_mistake_have_no_list_of_them(tmp_path, outline):
    found, chosen = of_classes(3, 0)
    page = outline(report.write_compare(tmp_path / "p.html", found, flipped=chosen, names=("a", "b")))
    assert "Both models are right on every image." in page.text
    assert "Taken for Old New" not in page.text


def test_a_change_of_label_confidence_is_no_double_negative(tmp_path, pair, outline):
    """The new model gives the label more: a plus on the page, where a drop would be below zero."""
    old, new = pair
    found = compare(old, new)
    drop = found["graded"]["label_confidence_drop"]
    assert drop < 0
    page = outline(report.write_compare(tmp_path / "p.html", found, flipped=flipped(old, new), names=("a", "b")))
    assert re.search(rf"Change in label confidence .*? \+{-100 * drop:.2f} pp \[", page.text)
    assert "Drop in label" not in page.text


def test_same_input_same_page(tmp_path, result, chosen):
    one, two = (
        report.write_compare(tmp_path / n, result, flipped=chosen, names=("a", "b")) for n in ("1.html", "2.html")
    )
    assert one.read_text().replace("1.table.csv", "2.table.csv") == two.read_text()


def test_a_folder_that_cannot_be_made_is_named(tmp_path, result, chosen):
    (tmp_path / "p.table.csv").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        report.write_compare(tmp_path / "p.html", result, flipped=chosen, names=("a", "b"))


def test_importing_the_report_loads_no_torch():
    code = "import sys, modelheir.report; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
