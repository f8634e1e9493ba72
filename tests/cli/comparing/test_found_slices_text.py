"""Planted slices on the terminal, in the JSON, on the page and as a Python call; and what is said where none can be."""

import csv
import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import pytest

import modelheir
from modelheir.cli import main
from modelheir.runs.predictions import write_predictions
from modelheir.types import Predictions

N, D, C = 1200, 6, 3


@pytest.fixture
def files(tmp_path):
    """Images far from the others break in four of ten cases; the one column tells them, and has a hostile value."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, C, N)
    far = rng.random(N) < 0.15
    features = (rng.normal(size=(N, D)) + 5 * far[:, None] * (np.arange(D) == 2)).astype(np.float32)
    new = np.where(rng.random(N) < np.where(far, 0.4, 0.03), (label + 1) % C, label)
    ids = np.array([f"im\x1b{k}" for k in range(N)])
    columns = {"light": np.where(far, "<b>dark\x1b[2J</b>", "day")}
    of = {"classes": ("cat", "dog", "emu"), "columns": columns}
    write_predictions(tmp_path / "old.parquet", Predictions(ids, label, label, **of))
    write_predictions(tmp_path / "bare.parquet", Predictions(ids, label, new, **of))
    write_predictions(tmp_path / "new.parquet", Predictions(ids, label, new, **of, features=features))
    np.save(tmp_path / "f.npy", features[::-1])
    with (tmp_path / "f.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["sample_id"], *([name] for name in ids[::-1])])
    return tmp_path


def run(files, *words):
    return main(["compare", *(str(files / word) if "." in word else word for word in words)])


def test_the_planted_group_is_told_everywhere(files, capsys):
    words = ("old.parquet", "new.parquet", "--find-slices", "--slice", "light", "--json", "r.json", "--html", "r.html")
    assert run(files, *words) == 0
    text = capsys.readouterr().out
    found = json.loads((files / "r.json").read_text())["found_slices"]
    first = found["slices"][0]
    assert re.search(r"Slices nobody named: \d+ found among \d+ groups made on \d{3} images", text)
    assert f"  1. {first['n']:,} images" in text
    assert f"NFR {100 * first['nfr']:.2f}%" in text
    assert "light <b>dark\\x1b[2J</b>" in text
    assert "\x1b" not in text
    assert 0.25 < first["nfr"] < 0.55
    assert first["nfr_interval"][0] > first["nfr_rest_interval"][1]
    assert first["words"][0]["value"] == "<b>dark\x1b[2J</b>"
    assert first["words"][0]["lift"] > 4
    assert first["broken"][0].keys() == {"sample_id", "label", "old", "new"}
    assert "sample_id" not in first
    page = (files / "r.html").read_text()
    assert "Slices nobody named" in page
    assert "<b>dark" not in page
    assert run(files, *words[:2], "--json", "plain.json") == 0
    assert "found_slices" not in json.loads((files / "plain.json").read_text())


def test_features_of_another_file_and_of_the_call_find_the_same(files, capsys):
    run(files, "old.parquet", "new.parquet", "--find-slices", "--json", "a.json")
    run(files, "old.parquet", "bare.parquet", "--find-slices", "--features", "f.npy", "--json", "b.json")
    run(files, "new.parquet", "bare.parquet", "--find-slices", "--json", "none.json")
    a, b, none = (json.loads((files / f"{name}.json").read_text())["found_slices"] for name in ("a", "b", "none"))
    assert a == b
    assert none["slices"] == []  # the old file has the features, and nothing broke
    said = capsys.readouterr().out
    assert "Slices nobody named: 0 found" in said
    call = modelheir.compare(files / "old.parquet", files / "new.parquet", find_slices=True)
    beside = modelheir.compare(
        files / "old.parquet", files / "bare.parquet", find_slices=True, features=files / "f.npy"
    )
    assert call.found_slices is not None
    assert json.loads(json.dumps(call.found_slices.to_json())) == a
    assert beside["found_slices"] == call["found_slices"]
    assert modelheir.compare(files / "old.parquet", files / "new.parquet").found_slices is None


def test_only_some_groups_are_printed(files, capsys):
    from modelheir.cli.comparing.found_slices_text import show_found

    found = modelheir.compare(files / "old.parquet", files / "new.parquet", find_slices=True).found_slices
    assert found is not None
    show_found(dataclasses.replace(found, slices=found.slices[:1] * 7))
    text = capsys.readouterr().out
    assert "  5. " in text
    assert "  6. " not in text
    assert "  and 2 more; --json FILE lists all." in text


def test_what_is_missing_is_one_sentence(files, capsys):
    for words, said in (
        (("old.parquet", "bare.parquet", "--find-slices"), "neither file has a column 'features'"),
        (("old.parquet", "new.parquet", "--features", "f.npy"), "give --find-slices with it"),
        (("old.parquet", "new.parquet", "--find-slices", "--features", "g.npy"), "g.npy does not exist"),
        (
            ("old.parquet", "new.parquet", "--find-slices", "--features", "f.npy", "--json", "f.csv"),
            "f.csv, which is read",
        ),
    ):
        assert run(files, *words) == 2
        assert said in capsys.readouterr().err
    np.save(files / "f.npy", np.ones((3, 2)))
    assert run(files, "old.parquet", "bare.parquet", "--find-slices", "--features", "f.npy", "--html", "x.html") == 2
    assert "has 3 rows" in capsys.readouterr().err
    assert not (files / "x.html").exists()
    with pytest.raises(modelheir.checks.InputError, match="find_slices=True"):
        modelheir.compare(files / "old.parquet", files / "new.parquet", features=files / "f.npy")


def test_neither_torch_nor_scikit_learn_is_imported(files):
    words = ["compare", str(files / "old.parquet"), str(files / "new.parquet"), "--find-slices"]
    code = (
        f"import sys; from modelheir.cli import main; main({words!r})\n"
        "print([name for name in ('torch', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
