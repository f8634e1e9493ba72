import os
import shutil
from pathlib import Path

import pytest

from modelheir.checks import InputError
from modelheir.runs.outputs import check_outputs, page_files


def test_an_input_is_found_behind_links_and_detours(tmp_path):
    old = tmp_path / "old.csv"
    old.write_text("x")
    (tmp_path / "link.csv").symlink_to(old)
    (tmp_path / "folder").mkdir()
    for way in (old, tmp_path / "link.csv", tmp_path / "folder" / ".." / "old.csv"):
        with pytest.raises(InputError, match=r"would replace .*old\.csv, which is read: choose another name"):
            check_outputs([tmp_path / "new.json", way], [old])
    check_outputs([tmp_path / "new.json", tmp_path / "old.json"], [old])


def test_one_file_is_not_written_twice(tmp_path):
    with pytest.raises(InputError, match=r"would replace .*a\.html, which is written too"):
        check_outputs([tmp_path / "a.html", tmp_path / "a.html"], [])


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("shelf", "what has that name is no file"),
        ("gone", "what has that name is no file"),
        ("note.txt/deep/r.json", "note.txt is no folder"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(output, said, tmp_path):
    (tmp_path / "shelf").mkdir()
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(InputError, match=rf"cannot write .*{output}: .*{said}.* Choose another"):
        check_outputs([tmp_path / output], [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gone", "note.txt", "shelf"]


def test_a_closed_folder_is_refused_before_the_work(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "access", lambda place, mode: asked.append((Path(place), mode)) or place != tmp_path)
    with pytest.raises(InputError, match=r"r\.json: .* may not be written"):
        check_outputs([tmp_path / "new" / "deep" / "r.json"], [])
    assert asked == [(tmp_path, os.W_OK | os.X_OK)]
    (tmp_path / "open").mkdir()
    check_outputs([tmp_path / "open" / "r.json", tmp_path / "open" / "far" / "s.json"], [])
    assert list((tmp_path / "open").iterdir()) == []


def test_the_table_stands_beside_the_page():
    assert page_files(Path("x/v1.2.html")) == (Path("x/v1.2.html"), Path("x/v1.2.table.csv"))
    assert page_files(Path("x.HTM"))[1] == Path("x.table.csv")
    with pytest.raises(InputError, match=r"--html new\.csv: the page's name must end in \.html"):
        page_files(Path("new.csv"))


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


OVER_A_RUN = {
    "json": "compare v1 v1 --json v1/config.yaml",
    "link": "compare v1 v1 --json link",
    "way": "compare v1 v1 --json there/result.json",
    "other_run": "compare right.csv right.csv --json v1/metrics.jsonl",
    "summary": "compare v1 v1 --summary v1/status.json",
    "junit": "compare v1 v1 --junit v1/result.json",
    "page": "compare v1 v1 --html v1/predictions/page.html",
    "predict": "predict v1 --out v1/predictions/val.parquet",
    "crops": "predict v1 --out p.parquet --ten_crop --crops v1/stages/00_train/weights.npz",
    "ensemble": "ensemble v1/predictions/both.parquet right.csv right.csv",
    "report": "report v1 --html v1/stages/page.html",
    "export": "export v1 --to safetensors --out v1",
    "export_stage": "export v1#train --to safetensors --out v1/stages/00_train",
    "evaluate": "evaluate v1 --json v1/status.json",
    "import": "import some.result --out v1/predictions/some.parquet",
}


@pytest.fixture
def desk(here, tmp_path, monkeypatch):
    """A copy of the run and the data that a test may harm."""
    for name in ("v1", "good"):
        shutil.copytree(here / name, tmp_path / name)
    shutil.copy(here / "right.csv", tmp_path)
    (tmp_path / "link").symlink_to("v1/environment.json")
    (tmp_path / "there").symlink_to("v1")
    (tmp_path / "some.result").write_bytes(b"never read")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", OVER_A_RUN)
def test_no_command_writes_over_a_run(name, desk, refused):
    before = content(desk)
    said = refused(*OVER_A_RUN[name].split())
    assert "would replace" in said
    assert "choose another name" in said or "give another folder" in said
    assert content(desk) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("predict v1 --data parquet:shards --out shards/new.parquet", "lies in the data shards"),
        ("predict v1 --data parquet:shards/a.parquet --out shards/a.parquet", "is, or holds, the data"),
        ("export file:model.safetensors:convnet --to safetensors --out .", "would replace model.safetensors"),
        ("import some.result --ids ids.parquet --out ids.parquet", "would replace ids.parquet, which is read"),
    ],
)
def test_no_command_writes_over_what_it_reads(words, said, desk, refused):
    (desk / "shards").mkdir()
    for name in ("shards/a.parquet", "model.safetensors", "ids.parquet"):
        (desk / name).write_bytes(b"mine")
    before = content(desk)
    assert said in refused(*words.split())
    assert content(desk) == before


LONG = "x" * 300


@pytest.mark.parametrize(
    "words",
    [
        f"export v1 --to safetensors --out {LONG}",
        f"predict v1 --quiet --out {LONG}.parquet",
        f"compare v1 v1 --json {LONG}",
        f"compare v1 v1 --json {LONG}/model.json",
        f"ensemble {LONG}.parquet v1 v1",
        f"report v1 --html {LONG}.html",
        f"copy v1 {LONG}",
    ],
)
def test_a_name_that_is_too_long_is_one_sentence(words, desk, refused):
    before = content(desk)
    assert "File name too long" in refused(*words.split())
    assert content(desk) == before


def test_pages_and_exports_may_stand_in_a_run_folder(desk):
    from modelheir.cli import main

    before = content(desk / "v1")
    assert main(["compare", "v1", "v1", "--json", "v1/compare.json", "--html", "v1/compare.html"]) == 0
    assert main(["export", "v1", "--to", "safetensors"]) == 0
    assert (desk / "v1" / "export" / "model.safetensors").is_file()
    assert {path: data for path, data in content(desk / "v1").items() if path in before} == before


@pytest.mark.parametrize("name", ["environment.json", "status.json"])
@pytest.mark.parametrize("text", ["[]", "null", "7", "{", ""])
def test_a_damaged_file_of_a_run_is_one_sentence(name, text, desk, refused):
    (desk / "v1" / name).write_text(text)
    if name == "environment.json":
        assert f"v1/{name}" in refused("compare", "v1", "v1", "--html", "page.html")
    else:
        (desk / "v1" / "predictions" / "test.parquet").unlink()
    assert f"v1/{name}" in refused("report", "v1", "--html", "page.html")
    assert not (desk / "page.html").exists()
    words = ["--data", "folder:good", "--model", "convnet", "--quiet", "--device", "cpu", "--epochs", "3"]
    assert f"v1/{name}" in refused("train", "finetune", "--out", "v1", *words)
