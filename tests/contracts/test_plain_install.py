"""The plain install is the gate: small, without a deep-learning library, and every other command names its extra."""

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

from modelheir.cli import COMMANDS
from modelheir.extras import TRAIN
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions, write_predictions

MOST = 400  #: MB (as ``du -sm`` counts) of the plain install; what Python compiles for itself comes on top

#: where the name of the distribution is not that of the import
NAMED = {"sklearn": "scikit-learn"}

#: commands that need an extra, with words that are sound as far as can be told without it
NEEDS = {
    "train": ["finetune", "--data", "synthetic", "--out", "made"],
    "average": ["run:run", "run:other", "--data", "synthetic", "--out", "made"],
    "bench": ["run", "seq-to-final"],
    "plot": ["interpolation", "run"],
    "cache": ["write", "--teacher", "run:run", "--data", "synthetic", "--out", "made"],
    "embed": ["--encoder", "pixels:left", "--data", "synthetic", "--out", "made"],
    "search": ["finetune", "--data", "synthetic", "--search.fit.lr", "0.1", "--out", "made"],
    "predict": ["run", "--data", "synthetic", "--out", "made.parquet"],
    "evaluate": ["run", "--data", "synthetic", "--cache", "made"],
    "export": ["run", "--out", "made"],
    "select": ["--pool", "folder:photos", "--data", "synthetic", "--teacher", "run", "--out", "made"],
    "demo": ["--out", "made"],
    "import": ["old.result", "--out", "made.parquet"],
}

#: commands of the gate, and what they must leave behind
GATE = {
    "compare": ["old.csv", "run", "--slice", "site", "--json", "c.json", "--html", "c.html", "--data", "folder:photos"],
    "ensemble": ["e.parquet", "old.csv", "run"],
    "report": ["run", "--old", "old.csv", "--html", "r.html", "--data", "folder:photos"],
    "copy": ["run", "copied"],
    "methods": [],
    "explain": ["upgrade"],
}
LEFT = ("c.json", "c.html", "c.table.csv", "e.parquet", "r.html", "r.table.csv", "copied/status.json")

BARE = """
import contextlib, io, json, sys
sys.modules.update(dict.fromkeys({without!r}))  # None: cannot be imported
import modelheir
from modelheir.checks import InputError
from modelheir.cli import main

def ends(words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as stop:
            code = stop.code or 0
    return [code, out.getvalue(), err.getvalue()]

def raises(call):
    try:
        call()
    except InputError as error:
        return str(error)

print(json.dumps({found}))
"""


@pytest.fixture
def bare(run_python, tmp_path):
    """Evaluate an expression where nothing of ``modelheir[train]`` can be imported."""
    without = (*TRAIN, "torchmetrics", "onnx", "datasets")
    return lambda found: json.loads(run_python(BARE.format(without=without, found=found), cwd=tmp_path))


@pytest.fixture
def place(tmp_path):
    """Files of predictions, a finished run, and photos of four images; one of three labelled ones is newly wrong."""
    ids = [f"test/{name}/{k}.png" for name in ("cat", "dog") for k in (0, 1)]
    head = "sample_id,label,prediction,logit_0,logit_1,site\n"
    for name, said in {"old": (0, 0, 1, 0), "new": (0, 1, 1, 1)}.items():
        rows = [f"{i},{k // 2},{s},{1 - s}.5,{s}.5,x" for k, (i, s) in enumerate(zip(ids, said, strict=True))]
        (tmp_path / f"{name}.csv").write_text(head + "\n".join(rows) + "\n")
    for split in ("train", "val", "test"):
        for k, name in enumerate(ids):
            path = tmp_path / "photos" / split / name.partition("/")[2]
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (60 * k, 0, 0)).save(path)
    (tmp_path / "old.result").write_bytes(b"")
    run = RunFolder(tmp_path / "run")
    run.set_status("finished")
    run.predictions("test").parent.mkdir()
    write_predictions(run.predictions("test"), read_predictions(tmp_path / "new.csv"))
    return tmp_path


def test_every_command_is_of_the_gate_or_names_its_extra():
    assert sorted([*GATE, *NEEDS]) == sorted(COMMANDS)


def test_the_gate_works_from_end_to_end(bare, place):
    done = bare(f"[ends(words) for words in {[[name, *rest] for name, rest in GATE.items()]!r}]")
    assert {name: said for name, (code, _, said) in zip(GATE, done, strict=True) if code or said} == {}
    assert [name for name in LEFT if not (place / name).is_file()] == []
    found = json.loads((place / "c.json").read_text(encoding="utf-8"))
    assert [found[name] for name in ("n", "nfr", "pfr", "mcnemar_p")] == [4, 0.25, 0.25, 1.0]
    assert [(place / name).read_text(encoding="utf-8").count("<img ") for name in ("c.html", "r.html")] == [2, 2]


def test_help_of_every_command_works(bare):
    words = [["--help"], ["train", "upgrade", "--help"], *([name, "--help"] for name in COMMANDS)]
    for one, (code, said, _) in zip(words, bare(f"[ends(words) for words in {words!r}]"), strict=True):
        assert code == 0, one
        assert said.partition("\n")[0] != "", one


def test_the_gate_works_from_python(bare, place):
    found = bare(
        """[
            modelheir.compare("old.csv", "new.csv", max_nfr=0.1).to_json()["gate"]["verdict"],
            modelheir.compare("old.csv", "run")["nfr"],
            modelheir.ensemble(["old.csv", "new.csv"]).members,
            modelheir.ensemble(["old.csv", "run"]).predictions.prediction.tolist(),
            str(modelheir.write_report(["run"], html="p.html")[1]),
        ]"""
    )
    assert found == ["not enough images", 0.25, 2, [0, 0, 1, 0], "p.html"]


def test_every_other_command_names_its_extra_in_one_sentence_and_writes_nothing(bare, place):
    before = sorted(place.rglob("*"))
    done = bare(f"[ends(words) for words in {[[name, *rest] for name, rest in NEEDS.items()]!r}]")
    for name, (code, out, said) in zip(NEEDS, done, strict=True):
        assert (code, out) == (2, ""), said
        assert re.fullmatch(
            rf"modelheir {name}: [^.]*pip install 'modelheir\[train\]' \(missing: torch, .*\)\.\n", said
        )
    assert sorted(place.rglob("*")) == before


def test_calls_that_need_the_extra_name_it(bare, place):
    calls = [
        "modelheir.train('finetune', data='synthetic', out='made')",
        "modelheir.train('distill', data='synthetic', teacher='run:run', out='made', pilot='10m')",
        "modelheir.average(['run:run', 'run:other'], data='synthetic', out='made')",
        "modelheir.search('finetune', {'fit.lr': [0.1]}, data='synthetic', out='made')",
        "modelheir.predict('run', 'synthetic')",
        "modelheir.evaluate(['run'], 'synthetic', cache='made')",
        "modelheir.export('run', 'made')",
        "modelheir.multiplier_search('run:run', out='made')",
        "modelheir.cache('run:run', data='synthetic', out='made')",
        "modelheir.embed('pixels:left', data='synthetic', out='made')",
        "modelheir.select(pool='folder:photos', data='synthetic', teacher='run', out='made')",
        "__import__('modelheir.assemble').assemble.demo.demo('made')",
    ]
    for call, said in zip(calls, bare(f"[{', '.join(f'raises(lambda: {call})' for call in calls)}]"), strict=True):
        assert "needs the extra 'train': pip install 'modelheir[train]' (missing: torch, " in (said or ""), call
    assert not (place / "made").exists()


def test_data_that_another_library_brings_is_named(bare, place):
    words = [
        ["compare", "old.csv", "new.csv", "--html", "d.html", "--data", data] for data in ("digits", "cifar10", "hf:x")
    ]
    done = bare(f"[ends(words) for words in {words!r}]")
    for (code, _, said), (data, extra) in zip(
        done, {"digits": "train", "cifar10": "train", "hf:x": "hub"}.items(), strict=True
    ):
        assert code == 2
        assert f"{data} needs the extra '{extra}': pip install 'modelheir[{extra}]'" in said


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_extra_is_what_pyproject_says(project):
    brought = {plain(Requirement(one).name) for one in project["optional-dependencies"]["train"]}
    assert sorted(plain(NAMED.get(name, name)) for name in TRAIN) == sorted(brought)


def test_the_plain_install_is_small_and_brings_nothing_heavy(project):
    wanted, found = [Requirement(one) for one in project["dependencies"]], {}
    while wanted:
        one = wanted.pop()
        if plain(one.name) in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        found[plain(one.name)] = importlib.metadata.distribution(one.name)
        wanted += map(Requirement, found[plain(one.name)].requires or [])
    assert not set(found) & {plain(NAMED.get(name, name)) for name in TRAIN}
    files = [file for one in found.values() for file in one.files or [] if file.suffix != ".pyc"]
    paths = {path for file in files if (path := Path(str(file.locate()))).is_file()}
    megabytes = sum(path.stat().st_blocks for path in paths) * 512 / 2**20
    assert 100 < megabytes <= MOST, sorted(found)
