"""The command ``select``: settings of the teacher's run, the table, what is said, and the last line."""

import json
import shlex
import shutil

import pytest

from modelheir.cli import main
from modelheir.runs.predictions import read_predictions

USUAL = ("--teacher", "run:v1", "--device", "cpu", "--quiet")


@pytest.fixture
def pool(here, tmp_path):
    """Some of the target's own images: two of test, one of train, and four changed beyond recognition."""
    from PIL import Image, ImageOps

    for name in ("test/a/0.png", "test/b/1.png", "train/c/2.png"):
        (tmp_path / "pool").mkdir(exist_ok=True)
        shutil.copy(here / "good" / name, tmp_path / "pool" / name.replace("/", "_"))
    for i, name in enumerate("abca"):
        with Image.open(here / "good" / "train" / name / f"{i}.png") as image:
            ImageOps.invert(image.convert("RGB")).save(tmp_path / "pool" / f"new{i}.png")
    return tmp_path / "pool"


def test_the_screen_tells_the_balance_and_where_the_page_is(here, pool, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["select", "--pool", f"folder:{pool}", "--out", str(out), "--top-k", "2", *USUAL]) == 0
    said = capsys.readouterr().out
    assert "of 7 images of the pool are selected, at most 2 a class" in said
    assert "Removed: 2 copies of test images, by exact." in said
    assert "Removed: 1 copies of train images, by exact." in said
    *_, listed, page, after = said.rstrip().splitlines()
    assert [listed, page] == [f"List: {out / 'manifest.parquet'}", f"Report: {out / 'report.html'}"]
    settings = json.loads((out / "selection.json").read_text())["settings"]
    assert settings["data"] == "folder:good"  # of the teacher's run
    words = ["--model", "mlp", "--epochs", "1", "--device", "cpu", "--quiet", "--out", str(tmp_path / "v2")]
    assert main([*shlex.split(after.removeprefix("Next: modelheir ")), *words, "--allow_weak_teacher"]) == 0
    tested = read_predictions(tmp_path / "v2" / "predictions" / "test.parquet", columns=()).sample_id
    assert set(tested) == {one.relative_to(here / "good").as_posix() for one in (here / "good" / "test").rglob("*.*")}


def test_shards_say_what_is_missing(pool, tmp_path, capsys):
    words = ["select", "--pool", f"folder:{pool}", "--out", str(tmp_path / "out"), *USUAL]
    assert main([*words, "--shard", "2/3"]) == 0
    assert capsys.readouterr().out == "Scored. Nothing is selected yet: 2 shards are not scored (1/3, 3/3).\n"
    assert main([*words, "--shard", "1/3"]) == 0
    assert main([*words, "--shard", "3/3"]) == 0
    assert capsys.readouterr().out.splitlines()[-2].startswith("Report: ")


BAD = {
    "pool": (["--out", "o"], "--pool is missing: for example --pool folder:pool."),
    "out": (["--pool", "folder:good"], "--out is missing: for example --out selected."),
    "shard": (["--pool", "folder:good", "--out", "o", "--shard", "3/2"], "shard = '3/2': must be i/n"),
    "top_k": (["--pool", "folder:good", "--out", "o", "--top_k", "0"], "top_k = 0: must be >= 1."),
    "ratio": (["--pool", "folder:good", "--out", "o", "--dedup.ratio", "2"], "dedup.ratio = 2.0: must be from 0 to 1."),
    "spelling": (["--pool", "folder:good", "--out", "o", "--topk", "3"], "Did you mean '--top_k'?"),
    "folder": (["--pool", "folder:nope", "--out", "o"], "folder:nope: there is no such folder."),
    "empty": (["--pool", "folder:empty", "--out", "o"], "folder:empty: there is no image in it."),
    "kind": (["--pool", "good", "--out", "o"], "does not say its kind: write folder:good."),
    "taken": (["--pool", "folder:good", "--out", "v1"], "--out v1 holds the teacher"),
    "inside": (["--pool", "folder:good", "--out", "good/o"], "lies in the data good"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_one_sentence(here, refused, name):
    words, said = BAD[name]
    assert said in refused("select", *words, *USUAL)
    assert not (here / "o").exists()


def test_the_teacher_is_missing(here, refused):
    assert "--teacher is missing" in refused("select", "--pool", "folder:good", "--out", "o")


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        main(["select", "--help"])
    said = capsys.readouterr().out
    for word in ("--shard", "--dedup.inliers", "i/n", "removed.parquet", "modelheir[dedup]", "--classes_per_image"):
        assert word in said, word


def test_the_call_is_the_command(pool, tmp_path, here):
    import modelheir
    from modelheir.checks import InputError

    found = modelheir.select(
        pool=f"folder:{pool}", teacher="run:v1", out=tmp_path / "out", top_k=2, device="cpu", dedup={"within": False}
    )
    assert found.manifest.is_file()
    assert {one.reason for one in found.removed} == {"exact"}
    assert found.settings["dedup"]["within"] is False
    with pytest.raises(InputError, match=r"unknown setting 'withn' in dedup\. Did you mean 'within'"):
        modelheir.select(pool=f"folder:{pool}", teacher="run:v1", out=tmp_path / "out", dedup={"withn": False})
