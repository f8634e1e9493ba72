"""A run never writes over the user's own files, into its data, or over an old model."""

import shutil

import numpy as np
import pytest
from PIL import Image

from modelheir.assemble import train
from modelheir.assemble.destination import check_destination, check_not_data
from modelheir.checks import InputError
from modelheir.cli import main
from modelheir.runs import RunFolder

OURS = ("config.yaml", "environment.json", "metrics.csv", "status.json", "result.json", "model.json", "metrics.jsonl")


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", [*OURS, "weights.safetensors", "predictions/test.parquet", "holiday.jpg"])
@pytest.mark.parametrize("start", ["good", "bad"])
def test_the_users_own_files_are_left_alone(name, start, quick, tmp_path):
    mine = tmp_path / "run" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(InputError):
        train("finetune", quick({"epochs": 1} if start == "good" else {"accumulate": 7}))
    assert content(tmp_path / "run") == {mine: b"mine"}


def test_a_start_that_fails_leaves_an_empty_folder_empty(quick, tmp_path):
    (tmp_path / "run").mkdir()
    for _ in range(2):
        with pytest.raises(InputError, match="divide"):
            train("finetune", quick({"accumulate": 7}))
        assert list((tmp_path / "run").iterdir()) == []


def test_a_start_that_fails_keeps_what_an_earlier_run_wrote(quick, tmp_path, train_interrupted):
    folder = RunFolder(tmp_path / "run")
    train_interrupted("finetune", quick({"save_every_steps": 0}))
    before = content(folder.path)
    with pytest.raises(InputError, match="divide"):
        train("finetune", quick({"accumulate": 7}))
    assert set(content(folder.path)) == set(before)
    assert folder.status()["state"] == "failed"
    train("finetune", quick())


def write_pictures(folder):
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / name / f"{number}.png")


@pytest.mark.parametrize("out", ["data", "data/", "data/run", "data/cat", "link", "link/run", "data/../data/x/y"])
def test_the_data_folder_is_no_place_for_a_run(out, quick, tmp_path):
    write_pictures(tmp_path / "data")
    (tmp_path / "link").symlink_to("data")
    before = content(tmp_path)
    with pytest.raises(InputError, match=r"--out .* the data .*: choose a place outside the data"):
        train("finetune", quick(data=f"folder:{tmp_path}/data", out=str(tmp_path / out)))
    assert content(tmp_path) == before


def test_a_run_folder_that_holds_the_data_is_refused(tmp_path):
    RunFolder(tmp_path).set_status("interrupted")
    (tmp_path / "photos").mkdir()
    for name in ("train.txt", "val.txt", "table.parquet"):
        (tmp_path / name).write_text("")
    elsewhere = tmp_path.parent / "train.txt"
    for data in (
        f"folder:{tmp_path}/photos",
        f"list:{tmp_path}/train.txt",
        f"list:{elsewhere},val={tmp_path}/val.txt",
        f"parquet:{tmp_path}/table.parquet",
        f"manifest:{tmp_path}/table.parquet",
    ):
        with pytest.raises(InputError, match=r"holds, the data .*: choose a place outside the data"):
            check_destination(RunFolder(tmp_path), [data], ())


def test_a_folder_beside_the_data_is_a_place_for_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "3").mkdir()
    (tmp_path / "train.txt").write_text("")
    for data in ("list:train.txt,root=.", "parquet:train.txt", "digits", "synthetic:n=60,classes=3", "folder:none"):
        check_not_data(tmp_path / "runs" / "v1", data)
        check_not_data(tmp_path / "3" / "v1", data)


def test_an_old_model_is_not_written_over(quick, tmp_path):
    train("finetune", quick({"epochs": 1}))
    before, weights = content(tmp_path), tmp_path / "run" / "weights.safetensors"
    for old in (f"run:{tmp_path}/run", f"run:{tmp_path}/run#train", str(tmp_path / "run"), f"file:{weights}:mlp"):
        with pytest.raises(InputError, match=r"holds the model .*: give another --out"):
            train("upgrade", quick(old=(old,)))
    assert content(tmp_path) == before


def test_a_damaged_run_is_not_called_finished(quick, tmp_path):
    folder = RunFolder(train("finetune", quick({"epochs": 1})))
    shutil.copytree(folder.path, tmp_path / "copy")
    for name in ("weights.safetensors", "predictions/test.parquet", "config.yaml"):
        (folder.path / name).write_bytes(b"")
        before = content(folder.path)
        with pytest.raises(InputError, match=rf"{name} is empty, so the finished run in .* is damaged"):
            train("finetune", quick({"epochs": 1}))
        assert content(folder.path) == before
        shutil.copy(tmp_path / "copy" / name, folder.path / name)
    train("finetune", quick({"epochs": 1}))


@pytest.mark.parametrize("text", ["[]", "null", '{"data": 3}', '{"data": {"train": []}}', "{"])
def test_a_damaged_environment_is_named(text, quick, train_interrupted):
    train_interrupted("finetune", quick())
    (RunFolder(quick().out).environment).write_text(text)
    with pytest.raises(InputError, match=r"environment\.json .*Restore it, or give another --out"):
        train("finetune", quick())


def test_a_name_that_is_too_long_ends_with_one_sentence(tmp_path, capsys):
    out = str(tmp_path / ("x" * 300))
    assert main(["train", "finetune", "--data", "synthetic:n=60,classes=3,size=8", "--out", out]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "File name too long. Give another --out" in said
