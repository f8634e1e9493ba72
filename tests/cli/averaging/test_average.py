"""The command: what a person reads, the next command, and one sentence for what is wrong."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest

from modelheir.cli import main
from modelheir.runs.folder import RunFolder


@pytest.fixture(scope="module")
def two(shelf):
    """A run beside ``v1`` of weights a little off."""
    import torch
    from safetensors.torch import load_file, save_file

    place = shelf / "v1b"
    if not place.exists():
        shutil.copytree(shelf / "v1", place)
        torch.manual_seed(0)
        state = load_file(place / "weights.safetensors")
        noisy = {
            name: value + 0.01 * torch.randn_like(value) if value.ndim > 1 else value for name, value in state.items()
        }
        save_file(noisy, place / "weights.safetensors")
    return place


def test_averages_and_says_what_came_next(here, two, tmp_path, capsys):
    out = tmp_path / "average"
    assert main(["average", "run:v1", "v1b", "--out", str(out), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"2 models on \d+ selection images, which choose; NFR and PFR are against (run:v1|v1b)\n", said)
    rows = [line.split()[0] for line in said.splitlines() if "%" in line and line.startswith("  ")]
    assert rows[:4] == ["run:v1", "v1b", "uniform", "greedy"]
    assert said.count("chosen") == 1
    assert "not recalibrated" in said
    assert re.search(r"on \d+ reporting images, which chose nothing", said)
    assert f"Written: {out}" in said
    (words,) = re.findall(r"^Next: (.*)$", said, re.M)
    first, *rest = words.split(" && ")
    for command in (first, *rest):
        assert main(shlex.split(command)[1:]) == 0
    assert (out / "compare.html").is_file()


def test_without_recalibration_there_is_no_such_column(here, two, tmp_path, capsys):
    words = ["run:v1", "v1b", "--out", str(tmp_path / "o"), "--device", "cpu", "--recalibrate", "false", "--quiet"]
    assert main(["average", *words]) == 0
    found = capsys.readouterr()
    assert "not recalibrated" not in found.out
    assert found.err == ""


def test_of_many_models_the_best_and_the_last_are_shown(monkeypatch, capsys):
    from modelheir import assemble
    from modelheir.cli.averaging import average

    def row(name, accuracy):
        rates = {"accuracy": accuracy, "nfr": 0.0, "pfr": 0.0}
        ends = {f"{key}_interval": [0.0, 1.0] for key in rates}
        return {"model": name, "n": 50, **rates, **ends, "members": [name], "as_averaged": None}

    alone = tuple(row(f"step {number}", 0.9 - abs(number - 4) / 100) for number in range(12))
    found = assemble.Averaged(
        path="o", chosen="lawa:1", of=12, in_time=True, old="run:x", ways=(row("lawa:1", 0.9),), alone=alone,
        best="step 4", reported=(), said="Said.", notes=("Mind.",),
    )  # fmt: skip
    average._show(found)
    said = capsys.readouterr().out
    assert re.findall(r"step \d+", said) == ["step 4", "step 11"]
    assert "12 snapshots, oldest first on 50 selection images" in said
    assert said.endswith("Said.\nNote: Mind.\nWritten: o\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["v1", "--out", "o"], "needs at least two models, got one, v1: name the others, or give --snapshots v1"),
        (["v1", "v1", "--out", "o"], "v1 is given twice"),
        (["v1", "run:v1", "--out", "o"], "v1 and run:v1 hold the same weights"),
        (["v1", "v1b"], "--out is missing"),
        (["v1", "v1b", "--out", "o", "--by", "gredy"], "Did you mean 'greedy'?"),
        (["v1", "v1b", "--out", "o", "--by", "lawa:3"], "lawa:3 averages the 3 newest models, and there are 2"),
        (["v1", "v1b", "--out", "o", "--bye", "lawa:3"], "Did you mean '--by'?"),
        (["v1", "diverged", "--out", "o"], "diverged holds weights that are not finite"),
        (["v1", "partial", "--out", "o"], "missing (head.weight)"),
        (["v1", "wider", "--out", "o"], "of another shape"),
        (["v1", "cut", "--out", "o"], "is not a whole safetensors file"),
        (["v1", "nowhere", "--out", "o"], "is no trained model"),
        (["v1", "right.csv", "--out", "o"], "holds predictions, and the model itself is needed"),
        (["v1", "file:evil.pt:convnet", "--out", "o"], "it is refused"),
        (["v1", "v1b", "--out", "v1"], "holds the model v1: give another --out"),
        (["v1", "v1b", "--out", "good"], "the data good"),
        (["v1", "v1b", "--out", "a_file"], "a_file is a file"),
        (["v1", "v1b", "--out", "chance"], "holds a run that is no average"),
        (["v1", "v1b", "--out", "o", "--data", "folder:one"], "one class"),
        (["v1", "v1b", "--out", "o", "--data", "folder:nowhere"], "nowhere"),
        (["v1", "v1b", "--out", "o", "--old", "right.csv"], "the model itself is needed"),
        (["--snapshots", "v1", "--out", "o"], "v1 has kept no snapshots"),
        (["--snapshots", "right.csv", "--out", "o"], "only a run keeps snapshots"),
        (["v1", "v1b", "--snapshots", "v1", "--out", "o"], "not both"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_writes_nothing(here, two, refused, words, message):
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*") if path.is_file()}
    assert message in refused("average", *words, "--device", "cpu", "--quiet")
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*") if path.is_file()} == before
    assert not (here / "o").exists()


def test_help_teaches_by_examples_and_imports_no_torch():
    code = "import sys; from modelheir.cli import main\ntry: main(['average', '--help'])\n" + (
        "except SystemExit: pass\nprint('torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.endswith("False\n")
    for example in ("average run:runs/a run:runs/b run:runs/c --out", "--snapshots run:runs/a", "--by lawa:3"):
        assert example in said
    for way in ("uniform ", "greedy ", "swa[:SHARE]", "lawa:K", "ema:D", "auto "):
        assert f"  {way}" in said


def test_words_win_over_the_models_of_a_settings_file(here, two, tmp_path, capsys):
    first = tmp_path / "first"
    assert main(["average", "v1", "v1b", "--out", str(first), "--device", "cpu", "--quiet", "--by", "uniform"]) == 0
    words = ["--config", str(first / "config.yaml"), "--out", str(tmp_path / "second"), "--quiet"]
    assert main(["average", "v1b", "v1", *words]) == 0
    settings = (tmp_path / "second" / "config.yaml").read_text()
    assert "models:\n- v1b\n- v1\n" in settings
    assert RunFolder(tmp_path / "second").status()["state"] == "finished"
