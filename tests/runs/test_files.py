"""Writing a file whole or not at all, when the disk or a kill has other plans."""

import errno
import os
import stat
import subprocess

import pytest

from modelheir.checks import InputError
from modelheir.runs import files
from modelheir.runs.environment import source_state
from modelheir.runs.files import replace_file, write_text
from modelheir.runs.folder import RunFolder


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
