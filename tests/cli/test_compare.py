import dataclasses
import json
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest

from modelheir.cli import main
from modelheir.runs.predictions import write_predictions
from modelheir.types import Predictions

N, C = 300, 4


@pytest.fixture
def files(tmp_path):
    """Files ``old``, ``new``, ``third`` and ``weak``, and a run folder ``run`` with the predictions of ``new``."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, C, N)
    site = np.array(["north", "south"])[rng.integers(0, 2, N)]
    for name, strength in (("old", 3.0), ("new", 4.5), ("third", 4.0), ("weak", 1.5)):
        logits = rng.normal(size=(N, C)).astype(np.float32)
        logits[np.arange(N), label] += strength
        order = rng.permutation(N)
        found = Predictions(
            np.array([f"im{i}" for i in range(N)])[order],
            label[order],
            logits[order].argmax(1),
            logits[order],
            classes=("cat", "dog", "<b>", "emu"),
            columns={"site": site[order]},
        )
        write_predictions(tmp_path / f"{name}.parquet", found)
        if name == "new":
            write_predictions(tmp_path / "run" / "predictions" / "val.parquet", found)
    return tmp_path


def run(files, *words):
    return main(["compare", *(str(files / word) if (files / word).exists() else word for word in words)])


def test_numbers_page_and_exit_codes(files, capsys):
    target, page = files / "out" / "r.json", files / "out" / "r.html"
    words = ("old.parquet", "new.parquet", "--slice", "site", "--json", str(target), "--html", str(page))
    assert run(files, *words, "--max-nfr", "0.5", "--also", "third.parquet") == 0
    text = capsys.readouterr().out
    assert "\nSHIP\n" in text
    assert "by site" in text
    result = json.loads(target.read_text())
    assert result["n"] == N
    assert {row["value"] for row in result["slices"]} == {"north", "south"}
    assert [row["name"] for row in result["others"]] == ["third"]
    assert result["gate"]["passed"] is True
    html = page.read_text()
    assert "third" in html
    assert not re.search(r"<b>\s*</", html)
    assert page.with_suffix(".table.csv").is_file()
    assert f"Table: {page.with_suffix('.table.csv')}" in text
    assert run(files, "new.parquet", "old.parquet", "--max-nfr", "0.0001") == 1
    text = capsys.readouterr().out
    assert "\nHOLD\n" in text
    assert "miss NFR is" in text
    assert run(files, "old.parquet", "new.parquet") == 0
    assert "No verdict" in capsys.readouterr().out


def test_summary_and_test_cases(files, capsys):
    summary, junit = files / "out" / "s.md", files / "out" / "j.xml"
    words = ("new.parquet", "old.parquet", "--summary", str(summary), "--junit", str(junit))
    assert run(files, *words, "--max-nfr", "0.0001", "--max-class-nfr", "0.9") == 1
    text = capsys.readouterr().out
    assert f"\nSummary: {summary}\nTest cases: {junit}\n" in text
    assert summary.read_text(encoding="utf-8").startswith("## ❌ HOLD: `new` → `old`\n")
    root = ElementTree.parse(junit).getroot()
    assert next(case.get("name") for case in root.iter("testcase")) == "NFR"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "1", "0")
    assert 0 < float(root.get("time")) < 60


@pytest.mark.parametrize("option", ["--summary", "--junit", "--json"])
def test_what_cannot_be_written_is_refused_before_anything_is_read(files, capsys, option):
    (files / "note.txt").write_text("x")
    (files / "bad.csv").write_text("nothing to read")
    assert run(files, "old.parquet", "bad.csv", option, str(files / "note.txt" / "out.file")) == 2
    assert "note.txt is no folder. Choose another place." in capsys.readouterr().err
    assert run(files, "old.parquet", "bad.csv", option, str(files / "fine")) == 2
    assert "bad.csv" in capsys.readouterr().err
    assert not (files / "fine").exists()


def test_early_looks_are_allowed_by_wider_intervals(files, capsys):
    target = files / "r.json"
    found = []
    for more in ((), ("--sequential",)):
        run(files, "old.parquet", "new.parquet", "--max-nfr", "0.2", "--json", str(target), *more)
        found.append(json.loads(target.read_text())["gate"])
    (low, high), (wide_low, wide_high) = (gate["checks"][0]["interval"] for gate in found)
    assert wide_low <= low < high < wide_high
    assert [gate["bounds"]["sequential"] for gate in found] == [False, True]
    assert "hold at all looks together" in capsys.readouterr().out


def test_point_estimates_and_class_bounds(files, capsys):
    assert run(files, "old.parquet", "new.parquet", "--min-accuracy-gain", "0", "--max-class-nfr", "0.9") == 0
    target = files / "r.json"
    run(files, "old.parquet", "new.parquet", "--json", str(target))
    found = json.loads(target.read_text())
    bound = str(found["nfr"] + 1e-6)
    assert run(files, "old.parquet", "new.parquet", "--max-nfr", bound) == 3
    assert "NOT ENOUGH IMAGES (max_nfr: " in capsys.readouterr().out
    for undecided, code in (("ship", 0), ("hold", 1)):
        assert run(files, "old.parquet", "new.parquet", "--max-nfr", bound, "--undecided", undecided) == code
        assert f"NOT ENOUGH IMAGES, so {undecided} (--undecided)" in capsys.readouterr().out
    assert run(files, "old.parquet", "new.parquet", "--max-nfr", bound, "--point") == 0
    capsys.readouterr()


def test_the_gate_judges_slices(files, capsys):
    slices = ("--slice", "site")
    assert run(files, "old.parquet", "new.parquet", *slices, "--max-nfr", "0.5") == 0
    assert "note Slices were not judged" in capsys.readouterr().out
    target, page = files / "r.json", files / "r.html"
    words = (*slices, "--max-slice-nfr", "0.0001", "--json", str(target), "--html", str(page))
    assert run(files, "new.parquet", "old.parquet", *words) == 1
    text = capsys.readouterr().out
    result = json.loads(target.read_text())
    checks = result["gate"]["checks"]
    assert sorted(check["slice"] for check in checks) == ["site = north", "site = south"]
    nfr = {f"site = {row['value']}": row["nfr"] for row in result["slices"]}
    assert {check["slice"]: check["value"] for check in checks} == nfr
    for reason in result["gate"]["reasons"]:
        assert reason in text
        assert reason in page.read_text()
    assert run(files, "old.parquet", "new.parquet", "--max-slice-nfr", "0.5") == 2
    assert "name one with --slice COLUMN" in capsys.readouterr().err


def test_a_policy_bounds_single_slices(files, capsys):
    policy, target = files / "gate.yaml", files / "r.json"
    policy.write_text("required: {max_slice_nfr: {site = north: 0.0001}}\nadvisory: {max_slice_nfr: 0.9}\nslice: site")
    words = ("new.parquet", "old.parquet", "--policy", str(policy), "--json", str(target))
    assert run(files, *words, "--html", str(files / "p.html")) == 1
    gate = json.loads(target.read_text())["gate"]
    found = [(check["slice"], check["bound"], check["advisory"]) for check in gate["checks"]]
    assert found[0] == ("site = north", 0.0001, False)
    assert sorted(found[1:]) == [("site = north", 0.9, True), ("site = south", 0.9, True)]
    assert gate["bounds"]["max_slice_nfr"] == {"site = north": 0.0001}
    capsys.readouterr()
    policy.write_text("required: {max_slice_nfr: {site = nort: 0.1}}\nslice: site")
    assert run(files, *words) == 2
    said = capsys.readouterr().err
    assert "there is no such slice. Did you mean 'site = north'?" in said
    assert said.count("\n") == 1


def broken(found, before, after):
    """Return the negative flips between two files of the fixture, by a loop."""
    right = []
    for name in (before, after):
        rows = pq.read_table(found / f"{name}.parquet").to_pylist()
        right.append({row["sample_id"]: row["label"] == row["prediction"] for row in rows})
    return {name for name, was in right[0].items() if was and not right[1][name]}


def test_what_a_release_broke_is_remembered_in_any_verdict_and_replayed_on_the_next(files, capsys):
    """New to old, held; then old to weak, with the same file to read and to add to."""
    flips, result = files / "lists" / "flips.parquet", files / "r.json"
    first, second = broken(files, "new", "old"), broken(files, "old", "weak")
    assert first
    assert second
    words = ("--remember", str(flips), "--max-nfr", "0.0001", "--point")
    for added in (len(first), 0):  # the second time all of them are there
        assert run(files, "new.parquet", "old.parquet", *words) == 1
        said = capsys.readouterr().out
        assert f"Remembered: {flips}, {added} images added, {len(first)} in all" in said
    rows = pq.read_table(flips).to_pylist()
    assert {row["sample_id"] for row in rows} == first
    assert {(row["release"], row["file"]) for row in rows} == {("old", str(files / "old.parquet"))}
    assert {row["label"] for row in rows} <= {"cat", "dog", "<b>", "emu"}
    assert all(0.25 < row["confidence"] <= 1 for row in rows)
    words = ("--replay", str(flips), "--remember", str(flips), "--json", str(result))
    assert run(files, "old.parquet", "weak.parquet", *words) == 0
    said = capsys.readouterr().out
    table = pq.read_table(files / "weak.parquet").to_pylist()
    again = {row["sample_id"] for row in table if row["label"] != row["prediction"]} & first
    replay = json.loads(result.read_text())["replay"]
    assert (replay["n"], replay["wrong"], set(replay["wrong_ids"])) == (len(first), len(again), again)
    assert [row["release"] for row in replay["releases"]] == ["old"]
    assert "remembered images, on the new model" in said
    assert f"{len(again)}, {100 * len(again) / len(first):.2f}% [" in said
    assert "Wrong again: " in said
    assert {row["sample_id"] for row in pq.read_table(flips).to_pylist() if row["release"] == "weak"} == second
    assert pq.read_table(flips).num_rows == len(first) + len(second)
    assert run(files, "old.parquet", "weak.parquet", *words) == 0  # run again, with its own images in the list
    assert json.loads(result.read_text())["replay"] == {**replay, "own": len(second)}
    assert f"{len(second)} remembered images of this very release are left out" in capsys.readouterr().out


def test_the_share_that_came_back_has_a_bound_on_the_command_line_and_in_a_policy(files, capsys):
    flips, policy = files / "flips.parquet", files / "gate.yaml"
    run(files, "third.parquet", "old.parquet", "--remember", str(flips))
    capsys.readouterr()
    words = ("new.parquet", "old.parquet", "--replay", str(flips))  # all that old broke, it breaks again
    assert run(files, *words[:2], "--max-replayed", "0.1") == 2
    said = capsys.readouterr().err
    assert "max_replayed) needs the list of them: give it to replay (--replay FILE)." in said
    assert said.count("\n") == 1
    (files / "copy.parquet").write_bytes((files / "old.parquet").read_bytes())  # another release with the same answers
    words = ("new.parquet", "copy.parquet", "--replay", str(flips))
    assert run(files, *words, "--max-replayed", "0.1") == 1
    assert "miss share of remembered images that are wrong again is 100.00%" in capsys.readouterr().out
    policy.write_text("required: {max_replayed: 0.1}")
    assert run(files, *words, "--policy", str(policy)) == 1
    policy.write_text("advisory: {max_replayed: 0.1}")
    assert run(files, *words, "--policy", str(policy)) == 0
    assert "miss advisory: share of remembered images" in capsys.readouterr().out
    assert run(files, "new.parquet", "third.parquet", "--replay", str(flips), "--max-replayed", "0.9") in (0, 3)
    capsys.readouterr()


def test_a_pipeline_begins_without_a_list(files, capsys):
    """The file to add to need not be there to be replayed; any other one must."""
    flips = str(files / "flips.parquet")
    words = ("old.parquet", "new.parquet", "--replay", flips, "--max-replayed", "0.1")
    assert run(files, *words) == 2
    assert "flips.parquet does not exist" in capsys.readouterr().err
    assert run(files, *words, "--remember", flips) == 0
    said = capsys.readouterr().out
    assert "ok   no image is remembered yet, so none is wrong again" in said
    assert f"{flips} remembers no image of an earlier release." in said


def test_images_that_are_gone_are_counted_and_named(files, capsys):
    flips, page, result = files / "flips.parquet", files / "p.html", files / "r.json"
    run(files, "new.parquet", "old.parquet", "--remember", str(flips))
    gone = sorted(broken(files, "new", "old"))[:2]
    for name in ("old", "weak"):
        table = pq.read_table(files / f"{name}.parquet")
        keep = [row not in gone for row in table["sample_id"].to_pylist()]
        pq.write_table(table.filter(keep), files / f"{name}.parquet")
    words = ("--replay", str(flips), "--html", str(page), "--json", str(result))
    assert run(files, "old.parquet", "weak.parquet", *words) == 0
    said = capsys.readouterr().out
    replay = json.loads(result.read_text())["replay"]
    assert sorted(replay["gone_ids"]) == gone
    assert replay["gone"] == replay["releases"][0]["gone"] == 2
    assert f"Gone from the data: {', '.join(replay['gone_ids'])}\n" in said
    text = page.read_text()
    assert "2 more are gone from the data" in text
    assert f"Gone from the data:</b> {', '.join(replay['gone_ids'])}." in text


def test_a_table_of_metadata_slices_run_folders_too(files, capsys):
    """Held against counts by a dictionary; an image that the table lacks has an empty cell."""
    ids = [f"im{k}" for k in range(N)]
    country = {name: ("jp", "de", "br")[k % 3] for k, name in enumerate(ids[:-20])}
    text = "".join(f"{name},{cell},{k}\n" for k, (name, cell) in enumerate(country.items()))
    (files / "meta.csv").write_text("sample_id,country,other\n" + text)
    result, page = files / "r.json", files / "p.html"
    words = ("old.parquet", "run", "--columns", str(files / "meta.csv"), "--json", str(result), "--html", str(page))
    assert run(files, *words, "--slice", "country", "--slice", "site", "--max-slice-nfr", "0.9") == 0
    said, found = capsys.readouterr().out, json.loads(result.read_text())
    flips = broken(files, "old", "new")
    for row in found["slices"]:
        if row["column"] == "country":
            of = [name for name in ids if country.get(name, "(empty)") == row["value"]]
            assert (row["n"], round(row["n"] * row["nfr"])) == (len(of), len(flips & set(of)))
    assert {row["value"] for row in found["slices"]} == {"jp", "de", "br", "(empty)", "north", "south"}
    assert "slice country = jp" in str(found["gate"]["checks"])
    note = "meta.csv lacks 20 of 300 images (im"
    assert note in said
    assert note in found["note"]
    assert "no predictions on test, so val is compared; " in found["note"]
    assert note in page.read_text()


@pytest.mark.parametrize(
    ("text", "words", "error"),
    [
        ("sample_id,country\nim1,jp\n", (), r"meta.csv holds columns to slice by: name one to slice by"),
        ("sample_id,country\nim1,jp\n", ("--slice", "contry"), r"unknown column 'contry'. Did you mean 'country'\?"),
        ("name,country\nim1,jp\n", ("--slice", "country"), "meta.csv has no column 'sample_id'"),
        ("sample_id,country\nim1,jp\nim1,jp\n", ("--slice", "country"), "repeat a sample_id"),
        ("sample_id,country\n1,jp\n", ("--slice", "country"), r"meta.csv shares no sample_id with .*old.parquet"),
        ("sample_id,site\nim1,mars\n", ("--slice", "site"), r"column 'site' of .*meta.csv differs from that of .*old"),
        (
            "sample_id,country\nim1,jp\n",
            ("--slice", "site"),
            r"none of the columns to slice by \(site\): it has country",
        ),
        ("sample_id,country\nim1,jp\n", ("--slice", "country", "--json", "meta.csv"), "would replace .*which is read"),
    ],
)
def test_a_table_that_cannot_be_joined_is_one_sentence(files, capsys, text, words, error):
    (files / "meta.csv").write_text(text)
    assert run(files, "old.parquet", "new.parquet", "--columns", "meta.csv", *words) == 2
    said = capsys.readouterr().err
    assert re.search(error, said)
    assert said.count("\n") == 1
    assert (files / "meta.csv").read_text() == text


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--remember", "new.parquet"), "would replace .*new.parquet, which is read"),
        (("--remember", "f.csv"), "f.csv: a list of remembered images is a Parquet file"),
        (("--remember", "run/predictions/flips.parquet"), "would replace a file of the run"),
        (("--remember", "third.parquet"), "third.parquet is no list of remembered images .*: it has no 'release'"),
        (("--replay", "third.parquet"), "third.parquet is no list of remembered images"),
        (("--replay", "flips.parquet", "--json", "flips.parquet"), "would replace .*flips.parquet, which is read"),
        (("--remember", "a.parquet", "--json", "a.parquet"), "would replace .*a.parquet, which is written too"),
    ],
)
def test_a_list_that_cannot_be_is_one_sentence_and_nothing_is_written(files, monkeypatch, capsys, words, error):
    monkeypatch.chdir(files)
    run(files, "third.parquet", "old.parquet", "--remember", "flips.parquet")
    (files / "run" / "status.json").write_text('{"version": 1, "state": "finished"}')
    before = {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["compare", "old.parquet", "new.parquet", *words]) == 2
    said = capsys.readouterr().err
    assert re.search(error, said)
    assert said.count("\n") == 1
    assert {path: path.read_bytes() for path in files.rglob("*") if path.is_file()} == before


def test_a_run_is_remembered_by_its_folder(files, capsys):
    flips, kept = files / "flips.parquet", files / "v2" / "predictions" / "val.parquet"
    kept.parent.mkdir(parents=True)
    kept.write_bytes((files / "weak.parquet").read_bytes())
    assert run(files, "old.parquet", f"run:{files / 'v2'}", "--remember", str(flips)) == 0
    rows = pq.read_table(flips).to_pylist()
    assert {row["sample_id"] for row in rows} == broken(files, "old", "weak")
    assert {(row["release"], row["file"]) for row in rows} == {("v2", str(kept))}
    capsys.readouterr()


def test_a_run_folder_falls_back_to_val_and_says_so(files, capsys):
    assert run(files, "old.parquet", "run") == 0
    assert "no predictions on test, so val is compared" in capsys.readouterr().out
    assert run(files, "old.parquet", "run", "--split", "val") == 0
    assert "Note" not in capsys.readouterr().out
    assert run(files, "old.parquet", f"run:{files / 'run'}") == 0
    assert run(files, "old.parquet", "run", "--split", "test") == 2
    assert "has no predictions of test that can be compared; it has only val" in capsys.readouterr().err


def test_a_file_against_itself(files, capsys):
    assert run(files, "old.parquet", "old.parquet", "--html", str(files / "r.html")) == 0
    assert "NFR: newly wrong" in capsys.readouterr().out


def test_csv_of_another_framework(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("sample_id,label,prediction\n1,cat,cat\n2,dog,cat\n3,dog,dog\n")
    (tmp_path / "b.csv").write_text("sample_id,label,prediction\n3,dog,cat\n2,dog,dog\n1,cat,cat\n")
    assert run(tmp_path, "a.csv", "b.csv", "--json", str(tmp_path / "r.json"), "--max-flips", "5") == 0
    assert json.loads((tmp_path / "r.json").read_text())["flips"] == {"negative": ["3"], "positive": ["2"]}
    (tmp_path / "names.txt").write_text("dog\ncat\n")
    (tmp_path / "c.csv").write_text("sample_id,label,logit_0,logit_1\n1,cat,0,1\n2,dog,0,1\n3,dog,1,0\n")
    assert run(tmp_path, "c.csv", "b.csv", "--classes", str(tmp_path / "names.txt")) == 0
    capsys.readouterr()


def test_no_output_replaces_an_input(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = "sample_id,label,prediction\n1,cat,cat\n2,dog,cat\n"
    for name in ("old.csv", "new.csv", "new.table.csv"):
        (tmp_path / name).write_text(text)
    for words in (
        ("old.csv", "new.csv", "--json", "new.csv"),
        ("old.csv", "new.csv", "--html", "new.csv"),
        ("old.csv", "new.csv", "--summary", "new.csv"),
        ("old.csv", "new.csv", "--junit", "old.csv"),
        ("old.csv", "new.csv", "--junit", "a.xml", "--summary", "a.xml"),
        ("old.csv", "new.table.csv", "--html", "new.html"),
    ):
        assert main(["compare", *words]) == 2
    assert "new.table.csv would replace new.table.csv, which is read" in capsys.readouterr().err
    assert main(["compare", "old.csv", "new.csv", "--html", "other.html"]) == 0
    assert {path.name: path.read_text() for path in tmp_path.glob("*") if path.name[:3] in ("old", "new")} == {
        name: text for name in ("old.csv", "new.csv", "new.table.csv")
    }


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("old.parquet", "none.parquet"), "none.parquet does not exist"),
        (("old.parquet",), "required: NEW"),
        (("old.parquet", "new.parquet", "--max-nrf", "1"), r"--max-nrf.* Did you mean '--max-nfr'\?"),
        (("old.parquet", "new.parquet", "--max-nfr", "x"), "invalid float value: 'x'"),
        (("old.parquet", "new.parquet", "--max-nfr", "2"), "max_nfr = 2.0: must be from 0 to 1"),
        (("old.parquet", "new.parquet", "--max-flips", "-2"), "--max-flips -2: must be >= 0"),
        (("old.parquet", "new.parquet", "--data", "digits"), "--data finds the pictures of the page: give --html FILE"),
        (("old.parquet", "new.parquet", "--slice", "sight"), "unknown column 'sight'.*Known: site"),
        (("old.parquet", "new.parquet", "--classes", "gone.txt"), "class list gone.txt cannot be read"),
        (("old.parquet", "empty"), "it has none: make some with `modelheir predict`"),
        (("old.parquet", "cut.parquet"), r"cut.parquet lacks 1 sample ids of .*old.parquet \(im"),
        (("old.parquet", "lied.parquet"), "another label than .* for 300 images"),
    ],
)
def test_bad_input_is_one_sentence_and_code_two(files, capsys, words, error):
    from modelheir.runs.predictions import read_predictions

    (files / "empty").mkdir()
    found = read_predictions(files / "new.parquet")
    cut = dataclasses.replace(
        found,
        sample_id=found.sample_id[1:],
        label=found.label[1:],
        prediction=found.prediction[1:],
        logits=found.logits[1:],
        columns={},
    )
    write_predictions(files / "cut.parquet", cut)
    write_predictions(files / "lied.parquet", dataclasses.replace(found, label=(found.label + 1) % C))
    assert run(files, *words) == 2
    said = capsys.readouterr().err
    assert re.search(error, said)
    assert said.count("\n") == 1
    assert "Traceback" not in said


def test_help_starts_fast_and_nothing_imports_torch(files):
    code = (
        "import sys\nfrom modelheir.cli import main\n"
        f"assert main(['compare', r'{files / 'old.parquet'}', r'{files / 'new.parquet'}', '--slice', 'site',"
        f" '--json', r'{files / 'j.json'}', '--html', r'{files / 'h.html'}']) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, stdout=subprocess.DEVNULL)
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "modelheir.cli", "compare", "--help"],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    after = os.times()
    assert "exit code" in done.stdout.lower()
    assert after.children_user - before.children_user < 0.5
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "numpy", "pyarrow", "scipy", "rich"}


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("--max-nfr", "max_nfr"),
        ("--max-class-nfr", "max_class_nfr"),
        ("--min-kept", "min_kept"),
        ("--min-accuracy-gain", "min_accuracy_gain"),
        ("--max-churn", "max_churn"),
        ("--max-ece", "max_ece"),
    ],
)
def test_every_bound_reaches_the_gate_by_flag_by_policy_and_by_call(files, capsys, flag, name):
    import modelheir

    target = files / "r.json"
    (files / "gate.yaml").write_text(f"required: {{{name}: 0.123}}\n")
    for words in ((flag, "0.123"), ("--policy", str(files / "gate.yaml"))):
        run(files, "old.parquet", "new.parquet", *words, "--json", str(target))
        gate = json.loads(target.read_text())["gate"]
        assert {check["name"] for check in gate["checks"]} == {name}
        assert gate["bounds"][name] == 0.123
    assert gate["bounds"]["policy"].endswith("gate.yaml")
    called = modelheir.compare(files / "old.parquet", files / "new.parquet", **{name: 0.123})
    assert called["gate"]["checks"] == gate["checks"]
    capsys.readouterr()


def test_a_policy_is_named_with_its_hash(files, capsys):
    import hashlib

    text = "required: {max_nfr: 0.9}\nadvisory: {max_churn: 0.0001}\nslice: [site]\nconfidence: 0.9\n"
    (files / "gate.yaml").write_text(text)
    words = ("old.parquet", "new.parquet", "--policy", str(files / "gate.yaml"), "--html", str(files / "r.html"))
    assert run(files, *words) == 0
    said = capsys.readouterr().out
    assert "miss advisory: churn is" in said
    assert "90% intervals" in said
    assert "by site" in said
    page = (files / "r.html").read_text()
    assert hashlib.sha256(text.encode()).hexdigest() in page
    assert run(files, *words, "--max-nfr", "0.95") == 2
    assert "max_nfr is set by the policy" in capsys.readouterr().err
    assert run(files, *words[:4], "--json", str(files / "gate.yaml")) == 2
    assert "would replace" in capsys.readouterr().err
    assert (files / "gate.yaml").read_text() == text
