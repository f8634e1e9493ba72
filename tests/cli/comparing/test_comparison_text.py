import datetime

import numpy as np

from modelheir.analysis.compare import compare
from modelheir.analysis.gate.bounds import GateConfig
from modelheir.cli.comparing.comparison_text import show
from modelheir.runs.by_id.remembered import Remembered
from modelheir.types import Predictions


def test_what_a_person_reads(capsys):
    label = np.array([0, 1, 0, 1, -1])
    ids = np.arange(5).astype(str)
    names = ("[red]cat", "dog")
    old = Predictions(ids, label, np.array([0, 1, 0, 0, 0]), classes=names)
    new = Predictions(ids, label, np.array([0, 1, 1, 1, 0]), classes=names)
    result = compare(old, new, gate=GateConfig(max_nfr=0.9, max_class_nfr=0.6, min_class_count=2))
    show(result, names=("v1", "v2"))
    text = capsys.readouterr().out
    assert text.startswith("v1 -> v2, 4 images, 95% intervals")
    assert "1 images without a label are left out" in text
    assert "[red]cat" in text  # names are text, never markup
    assert "25.00%" in text
    assert "\nNOT ENOUGH IMAGES (max_class_nfr: about " in text
    assert "  ok   NFR is 25.00%" in text
    assert "  open NFR of class [red]cat is 50.00%" in text
    assert "None" not in text


def test_a_slice_that_is_worse_is_named_without_any_bound(capsys):
    label = np.zeros(200, int)
    where = {"country": np.where(np.arange(200) < 100, "jp", "de")}
    old = Predictions(np.arange(200).astype(str), label, label, columns=where)
    new = Predictions(old.sample_id, label, np.where(np.arange(200) < 60, 1, 0))
    show(compare(old, new, slices=["country"]), names=("v1", "v2"))
    text = capsys.readouterr().out
    assert "No verdict: no bounds were set (--max-nfr, --min-accuracy-gain, ...; all are in --help)." in text
    assert "country = jp (60.00% against 0.00%)" in text


def test_only_classes_with_new_mistakes_are_the_worst(capsys):
    label = np.repeat(np.arange(4), 5)
    ids, new = np.arange(20).astype(str), label.copy()
    new[[0, 5, 6]] = 3  # one image of class 0 and two of class 1
    old = Predictions(ids, label, label)
    show(compare(old, Predictions(ids, label, new)), names=("v1", "v2"))
    text = capsys.readouterr().out
    table = text[text.index("classes with the most new mistakes") :].splitlines()
    assert [line.split()[0] for line in table if line.strip()[:1].isdigit()] == ["1", "0"]
    show(compare(old, old), names=("v1", "v1"))
    text = capsys.readouterr().out
    assert "No class has a new mistake." in text
    assert "classes with the most" not in text


def test_remembered_images_are_told_by_release_and_some_by_name(capsys):
    ids = np.array([f"i{k:02d}" for k in range(20)])
    label = np.zeros(20, int)
    old, new = Predictions(ids, label, label), Predictions(ids, label, np.where(np.arange(20) < 13, 1, 0))
    rows = [(f"i{k:02d}", "[red]v1" if k < 15 else "v2") for k in range(22)] + [("i00", "v3")]
    day = datetime.date(2026, 11, 29)
    known = Remembered(*zip(*rows, strict=True), *((cell,) * 23 for cell in ("f.csv", "cat", None, day)))
    show(compare(old, new, remembered=known, release=("v3", "f.csv")), names=("v1", "v2"))
    lines = capsys.readouterr().out.splitlines()
    table = [" ".join(line.split()) for line in lines]
    assert "[red]v1 f.csv 15 13, 86.67% [59.54, 98.34] 0" in table
    assert "v2 f.csv 5 0, 0.00% [0.00, 52.18] 2" in table
    assert "all 20 13, 65.00% [40.78, 84.61] 2" in table
    assert f"Wrong again: {', '.join(ids[:10])}, and 3 more" in lines
    assert "Gone from the data: i20, i21" in lines
    assert "Note: 1 remembered images of this very release are left out." in lines
