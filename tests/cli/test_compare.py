import dataclasses
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from modelheir.cli import main
from modelheir.runs.predictions import write_predictions
from modelheir.types import Predictions

N, C = 300, 4


@pytest.fixture
def files(tmp_path):
    """Files ``old``, ``new`` and ``third``, and a run folder ``run`` whose predictions are those of ``new``."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, C, N)
    site = np.array(["north", "south"])[rng.integers(0, 2, N)]
    for name, strength in (("old", 3.0), ("new", 4.5), ("third", 4.0)):
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
