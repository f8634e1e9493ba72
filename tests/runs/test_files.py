"""Writing a file whole or not at all, when the disk or a kill has other plans."""

import errno
import os
import stat
import subprocess

import pytest
import torch
from safetensors import SafetensorError

from modelheir.checks import InputError
from modelheir.runs import files
from modelheir.runs.environment import source_state
from modelheir.runs.files import replace_file, write_text
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import load_state, load_weights, save_state, save_weights


def test_file_then_name_then_folder_reach_the_disk(tmp_path, monkeypatch):
    order, real_sync, real_replace = [], os.fsync, files.Path.replace

    def fsync(handle):
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        real_sync(handle)

    def replace(self, target):
        order.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(files.Path, "replace", replace)
    write_text(tmp_path / "a" / "x.txt", "x")
    assert order == ["file", "rename", "folder"]


def test_a_file_system_that_cannot_flush_folders_is_accepted(tmp_path, monkeypatch):
    real, failure = os.fsync, [errno.EINVAL]

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(failure[0], os.strerror(failure[0]))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "x.txt", "x")
    failure[0] = errno.EIO
    with pytest.raises(InputError, match=r"cannot write .*y\.txt: Input/output error"):
        write_text(tmp_path / "y.txt", "y")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_disk_or_quota_full_inside_safetensors(number, tmp_path, monkeypatch):
    from modelheir.runs import tensors

    def full(flat, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError(f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})")

    save_weights(tmp_path / "w", {"a": torch.zeros(1)})
    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(InputError, match=f"cannot write .*w: {os.strerror(number)}"):
        save_weights(tmp_path / "w", {"a": torch.ones(1)})
    assert [path.name for path in tmp_path.iterdir()] == ["w"]
    assert load_weights(tmp_path / "w")["a"] == 0


def test_another_error_of_the_writer_is_passed_on(tmp_path):
    def fail(path):
        path.write_text("half")
        raise KeyError("x")

    with pytest.raises(KeyError):
        replace_file(tmp_path / "x", fail)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_is_removed_by_the_next_run(tmp_path):
    folder = RunFolder(tmp_path)
    inner = tmp_path / "stages" / "00_train"
    inner.mkdir(parents=True)
    (inner / ".resume.safetensors.4242.part").write_bytes(b"half")
    (inner / "notes.part").write_text("the user's own")
    with folder.locked():
        pass
    assert [path.name for path in inner.iterdir()] == ["notes.part"]


def test_a_folder_in_use_is_refused_without_a_leak(tmp_path, recwarn):
    left = tmp_path / ".x.1.part"
    with RunFolder(tmp_path).locked():
        left.write_text("being written")
        with pytest.raises(InputError, match="is being written by another run"), RunFolder(tmp_path).locked():
            pass
        assert left.exists()
    assert not [warning for warning in recwarn if warning.category is ResourceWarning]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_the_umask_says_who_may_read_weights(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "text", "x")
        save_weights(tmp_path / "weights", {"a": torch.zeros(1)})
        save_weights(tmp_path / "weights", {"a": torch.ones(1)})  # in place of the first
        save_state(tmp_path / "state", {"a": torch.zeros(1)})
    finally:
        os.umask(before)
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert found == dict.fromkeys(("text", "weights", "state"), mode)


def test_names_that_meet_when_joined_stay_apart(tmp_path):
    state = {"a.b": torch.zeros(1), "a": {"b": torch.ones(1)}, "list": [torch.full((1,), 2.0)], "list.0": torch.ones(2)}
    save_state(tmp_path / "s", state)
    back = load_state(tmp_path / "s")
    assert (back["a.b"], back["a"]["b"], back["list"][0]) == (0, 1, 2)
    assert back["list.0"].shape == (2,)


def test_what_was_read_does_not_follow_the_file(tmp_path):
    save_weights(tmp_path / "w", {"a": torch.zeros(1000)})
    read = load_weights(tmp_path / "w")
    with (tmp_path / "w").open("r+b") as handle:
        handle.seek(-4000, os.SEEK_END)
        handle.write(b"\xff" * 4000)
    assert torch.equal(read["a"], torch.zeros(1000))


def test_a_package_installed_inside_another_checkout_has_no_commit(tmp_path):
    def git(*words):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)

    git("init", "-q")
    git("config", "user.email", "a@example.com")
    git("config", "user.name", "a")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "x.py").write_text("x")
    git("add", "own/x.py")
    git("commit", "-q", "-m", "x")
    installed = tmp_path / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "y.py").write_text("y")
    assert source_state(installed) == {"commit": None, "dirty": None}
    assert source_state(tmp_path / "own")["dirty"] is False
    (tmp_path / "own" / "x.py").write_text("z")
    assert source_state(tmp_path / "own")["dirty"] is True
