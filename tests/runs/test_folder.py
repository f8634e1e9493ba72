"""The run folder: whole or absent files, one writer, clear words when something is off."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.runs.environment import environment, source_state
from modelheir.runs.files import append_line, read_json, replace_file, to_json, write_json, write_text
from modelheir.runs.folder import RunFolder


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "x.json"
    write_json(target, {"old": 1})

    def full(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InputError, match=r"cannot write .*x\.json: No space left on device"):
        replace_file(target, full)
    assert read_json(target) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_append_on_a_full_device(tmp_path):
    (tmp_path / "log").symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        append_line(tmp_path / "log", "row")


def test_json_holds_what_numpy_and_floats_bring(tmp_path):
    write_json(tmp_path / "a.json", {"a": np.float32(0.5), "b": float("nan"), "c": np.arange(2), 3: {"x": tmp_path}})
    found = json.loads((tmp_path / "a.json").read_text())
    assert found == {"a": 0.5, "b": None, "c": [0, 1], "3": {"x": str(tmp_path)}}
    assert to_json((1, {2})) == [1, [2]]
    with pytest.raises(InputError, match="is missing: is"):
        read_json(tmp_path / "none.json")
    write_text(tmp_path / "bad.json", "{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        read_json(tmp_path / "bad.json")


def test_two_writers_of_one_folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    code = (
        "import sys; from modelheir.runs.folder import RunFolder\n"
        "from modelheir.checks import InputError\n"
        "try:\n"
        "    with RunFolder(sys.argv[1]).locked(): print('got it')\n"
        "except InputError as e: print(e)\n"
    )

    def attempt():
        return subprocess.run(
            [sys.executable, "-c", code, str(folder.path)], capture_output=True, text=True, check=True
        )

    with folder.locked():
        second = attempt()
        assert "is being written by another run" in second.stdout
    assert attempt().stdout == "got it\n"


def test_newer_layout_is_refused(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.status() == {}
    folder.set_status("running")
    assert folder.status()["state"] == "running"
    write_json(tmp_path / "status.json", {"version": 99})
    with pytest.raises(InputError, match="layout version 99"):
        folder.status()


@pytest.mark.extras
def test_stage_result_reads_one_module(tmp_path):
    import torch

    from modelheir.runs.tensors import save_weights

    stage = RunFolder(tmp_path).stage(3, "student")
    assert stage.path.name == "03_student"
    save_weights(stage.weights, {"model/a.b": torch.ones(2), "peer/a.b": torch.zeros(2)})
    stage.finish({"val/accuracy": 0.5}, {"note": 1})
    result = stage.result()
    assert stage.finished
    assert list(result.weights("peer")) == ["a.b"]
    assert (result.metrics, result.describe) == ({"val/accuracy": 0.5}, {"note": 1})
    with pytest.raises(InputError, match="no module 'x', only model, peer"):
        result.weights("x")
    assert result.publish == "model"
    stage.finish({}, {}, "peer")
    assert stage.result().publish == "peer"


def test_a_finished_run_that_sealed_no_model_has_none(tmp_path):
    folder = RunFolder(tmp_path)
    assert not folder.without_model
    for files in ({"weights.safetensors": "", "model.json": ""}, {"weights.safetensors": ""}):
        folder.set_status("running", files=files)
        assert not folder.without_model
        folder.set_status("finished", files=files)
        assert folder.without_model == ("model.json" not in files)
    folder.set_status("finished")  # of an earlier version, which knew no such run
    assert not folder.without_model


@pytest.mark.extras
def test_environment_says_where_numbers_come_from(tmp_path):
    import torch

    found = environment(command=["modelheir"], device="cpu", processes=1, seeds={"seed": 0}, data={"train": "abc"})
    assert found["packages"]["torch"] == torch.__version__.split("+")[0] or found["packages"]["torch"]
    assert source_state(tmp_path) == {"commit": None, "dirty": None}
    assert set(found) >= {"command", "python", "packages", "device", "seeds", "data", "commit", "dirty"}


@pytest.mark.extras
def test_environment_names_the_hardware(monkeypatch):
    import torch

    arguments = {"command": [], "processes": 1, "seeds": {}, "data": {}}
    found = environment(device="cpu", **arguments)
    assert found["gpu"] is None
    assert found["cuda"] == torch.version.cuda
    assert found["threads"] == torch.get_num_threads()
    assert found["cpu_cores"] >= 1
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")
    assert environment(device="cuda:1", **arguments)["gpu"] == "GPU of cuda:1"


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_only_what_did_not_train_is_cleared(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        folder.set_status("running")
        (folder.path / "mine.txt").write_text("kept")
        folder.clear()
    assert [path.name for path in folder.path.iterdir()] == ["mine.txt"]
    (folder.path / "mine.txt").unlink()
    with folder.locked():
        folder.set_status("running")
        folder.clear()
        assert folder.path.is_dir()  # it was there before
    folder.path.rmdir()
    with folder.locked():
        folder.set_status("running")
        (folder.path / "tensorboard" / "train").mkdir(parents=True)
        folder.clear()
        assert not folder.path.exists()
    with folder.locked():
        stage = folder.stage(0, "train")
        stage.path.mkdir(parents=True)
        stage.weights.write_bytes(b"weights")
        with pytest.raises(ValueError, match="holds more than what this run wrote"):
            folder.clear()


def test_what_an_earlier_run_wrote_is_not_cleared(tmp_path):
    with RunFolder(tmp_path).locked():
        RunFolder(tmp_path).set_status("interrupted")
    before, folder = content(tmp_path), RunFolder(tmp_path)
    with folder.locked():
        assert not folder.fresh
        with pytest.raises(ValueError, match="holds more than what this run wrote"):
            folder.clear()
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", "model.json", "notes.txt", "stages/00_train/x"])
def test_a_folder_of_the_users_own_is_no_place_for_a_run(name, tmp_path):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    first = name.partition("/")[0]
    with pytest.raises(InputError, match=rf"is not empty and not a run folder \('{first}'\): give another --out"):
        RunFolder(tmp_path).accept()
    with pytest.raises(InputError, match="is a file: give a folder"):
        RunFolder(tmp_path / name).accept()


def test_an_empty_folder_and_a_run_folder_are_places_for_a_run(tmp_path):
    RunFolder(tmp_path / "new").accept()
    RunFolder(tmp_path).accept()
    (tmp_path / ".lock").touch()
    (tmp_path / ".status.json.77.part").write_text("a killed writer's")
    RunFolder(tmp_path).accept()
    RunFolder(tmp_path).set_status("interrupted")
    (tmp_path / "compare.html").write_text("a page of it")
    RunFolder(tmp_path).accept()


def test_a_name_that_is_too_long_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot use .* as a run folder: File name too long"):
        RunFolder(tmp_path / ("x" * 300)).accept()


@pytest.mark.parametrize("text", ["[]", "null", "7", '"finished"', "{", "", "{}", '{"version": 1}', "\x00\x00"])
def test_a_damaged_status_is_named(text, tmp_path):
    (tmp_path / "status.json").write_text(text)
    for look in (RunFolder(tmp_path).status, RunFolder(tmp_path).accept):
        with pytest.raises(
            InputError, match=r'status\.json .*Restore it; or, .*write \{"version": 1, "state": "failed"\}'
        ):
            look()
    (tmp_path / "status.json").write_text('{"version": 1, "state": "failed"}')
    RunFolder(tmp_path).accept()


def test_a_file_of_another_program_that_looks_half_written_stays(tmp_path):
    (tmp_path / ".video.part").write_text("a browser's")
    (tmp_path / ".weights.safetensors.31.part").write_text("ours")
    with RunFolder(tmp_path).locked():
        pass
    assert set(content(tmp_path)) == {".video.part", ".lock"}


def test_a_run_owns_its_files_and_nothing_else(tmp_path):
    folder, link = RunFolder(tmp_path / "run"), tmp_path / "link"
    folder.set_status("finished")
    link.symlink_to(folder.path)
    mine = ["config.yaml", "metrics.csv", "weights.safetensors", "predictions/new.parquet", "stages/00_x/result.json"]
    for place in (folder.path, link, tmp_path / "run" / ".." / "run"):
        assert [name for name in mine if not folder.owns(place / name)] == []
        assert [n for n in ("compare.html", "export/model.json", "../model.json", ".") if folder.owns(place / n)] == []
    (folder.path / "status.json").unlink()
    assert not folder.owns(folder.path / "config.yaml")
