"""A shard is whole or not there; what is damaged is named."""

import dataclasses
import errno
import json
import os

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.runs.teacher_cache import shards
from modelheir.runs.teacher_cache.shards import check_files, is_finished, output_arrays, read_shard, writing_shard
from modelheir.shard import Shard

FIRST = Shard(1, 2)


def test_what_is_written_is_read(write, told):
    folder = write(1)
    found = read_shard(folder, FIRST, told)
    assert found.images.ids.tolist() == ["img/0.png", "img/1.png"]
    assert found.images.pixels.tolist() == [2**63, 2**63 + 1]
    assert found.images.sizes.tolist() == [[8, 9], [9, 10]]
    assert found.arrays["logits"].shape == (3, 2, 4)
    assert found.arrays["logits"][2, 1, 3] == 213
    assert found.arrays["features"][1, 0].tolist() == [100.5, 101.5]
    assert isinstance(found.arrays["logits"], np.memmap)


def test_arrays_follow_what_is_kept(told):
    names = {
        name: shape for name, (shape, _) in output_arrays(dataclasses.replace(told, top_k=3, features=0), 7).items()
    }
    assert names == {"top_classes": (3, 7, 3), "log_probabilities": (3, 7, 4)}
    assert list(output_arrays(told, 7)) == ["logits", "features"]


def test_nothing_but_the_shard_is_left(write):
    names = sorted(path.name for path in write(1).iterdir())
    assert names == [
        ".shard-1-of-2.lock", "cache.json", "features-1-of-2.npy", "ids-1-of-2.parquet", "logits-1-of-2.npy",
        "shard-1-of-2.json",
    ]  # fmt: skip


def test_the_last_file_says_that_all_are_whole(write, monkeypatch, tmp_path):
    monkeypatch.setattr(shards, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(1)
    folder = tmp_path / "cache"
    assert (folder / "logits-1-of-2.npy").is_file()
    assert not is_finished(folder, FIRST)
    monkeypatch.undo()
    assert is_finished(write(1), FIRST)


def test_an_error_while_writing_leaves_no_shard(write, told, tmp_path):
    folder = write(2)
    layout = output_arrays(told, 2)
    with (
        pytest.raises(RuntimeError),
        writing_shard(folder, FIRST, read_shard(folder, Shard(2, 2), told).images, layout),
    ):
        raise RuntimeError("no")
    assert not list(folder.glob("*1-of-2*.npy"))
    assert not list(folder.glob(".part*"))
    (folder / ".part-1-of-2.tmp").mkdir()  # of a process that was killed
    assert not (write(1) / ".part-1-of-2.tmp").exists()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system takes no space in advance")
def test_a_full_disk_is_said_before_a_teacher_runs(write, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"cannot write \S+cache: No space left on device\. Free the space"):
        write(1)


def damage_size(folder):
    path = folder / "logits-1-of-2.npy"
    path.write_bytes(path.read_bytes()[:-1])


def damage_content(folder):
    path = folder / "logits-1-of-2.npy"
    found = bytearray(path.read_bytes())
    found[-1] ^= 1
    path.write_bytes(found)


def resized(folder, name, content):
    """Put other content into a file and note it, as if it had been written so."""
    (folder / name).write_bytes(content)
    about = json.loads((folder / "shard-1-of-2.json").read_text())
    about["files"][name]["bytes"] = len(content)
    (folder / "shard-1-of-2.json").write_text(json.dumps(about))


def other_shape(folder):
    path = folder / "other.npy"
    np.save(path, np.zeros((3, 2, 5), np.float32))
    resized(folder, "logits-1-of-2.npy", path.read_bytes())


def edited(key, value):
    def edit(folder):
        path = folder / "shard-1-of-2.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    return edit


DAMAGE = {
    "size": (damage_size, r"logits-1-of-2\.npy is damaged: it has \d+ bytes and was written with \d+\. Remove it"),
    "gone": (lambda folder: (folder / "features-1-of-2.npy").unlink(), r"features-1-of-2\.npy is missing\. Remove it"),
    "array": (lambda f: resized(f, "logits-1-of-2.npy", b"x" * 200), r"logits-1-of-2\.npy is damaged: it is no array"),
    "shape": (other_shape, r"it holds float32 \(3, 2, 5\) in place of float32 \(3, 2, 4\)"),
    "ids": (lambda f: resized(f, "ids-1-of-2.parquet", b"PAR1"), r"ids-1-of-2\.parquet is damaged"),
    "json": (lambda f: (f / "shard-1-of-2.json").write_text("{"), r"shard-1-of-2\.json cannot be read as JSON"),
    "no files": (edited("files", 3), r"shard-1-of-2\.json is damaged \(AttributeError\)"),
    "elsewhere": (edited("files", {"../x": {"bytes": 1, "sha256": ""}}), r"shard-1-of-2\.json is damaged \(ValueError"),
    "rows": (edited("images", 3), r"ids-1-of-2\.parquet is damaged: 2 rows for 3 images"),
    "of another": (edited("cache", "0" * 64), r"is a shard of another cache than \S+cache\.json describes"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named_on_reading(write, told, damage, message):
    folder = write(1)
    damage(folder)
    with pytest.raises(InputError, match=message) as error:
        read_shard(folder, FIRST, told)
    assert str(error.value).endswith("Remove it, and write shard 1/2 of the cache again.")


def test_other_content_of_the_same_size_is_seen_where_content_is_asked_for(write, told):
    folder = write(1)
    damage_content(folder)
    assert read_shard(folder, FIRST, told).arrays["logits"].shape == (3, 2, 4)
    check_files(folder, FIRST)
    with pytest.raises(InputError, match=r"logits-1-of-2\.npy is damaged: its content is not what was written"):
        check_files(folder, FIRST, content=True)
