"""Verifying reads every byte, and says of each file what is wrong."""

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.embeddings import verify_view, view_folders
from modelheir.embeddings.shards import shard_file


def test_a_whole_view(write):
    found = verify_view(write(missing=(3,)))
    assert found == dict.fromkeys(["ids.parquet", *(f"shards/0000{number}.npy" for number in range(3))], "")


def test_each_fault_is_told(write):
    folder = write(0, 1)
    content = bytearray(shard_file(folder, 1).read_bytes())
    content[-1] ^= 1
    shard_file(folder, 1).write_bytes(content)
    (folder / "ids.parquet").unlink()
    found = verify_view(folder)
    assert "ids.parquet is missing" in found["ids.parquet"]
    assert found["shards/00000.npy"] == ""
    assert "not what was written" in found["shards/00001.npy"]
    assert found["shards/00002.npy"].startswith("not written")


def test_nan_behind_a_good_checksum_is_told(write, facts, monkeypatch):
    """Written by another program, checksum and all."""
    import modelheir.embeddings.shards as module

    monkeypatch.setattr(module, "nonfinite_rows", lambda vectors: np.zeros(0, np.int64))
    folder, ids = write(0, 2), np.array(list("abcd"))
    module.write_shard(folder, facts, 1, np.full((4, 3), np.nan), ids)
    monkeypatch.undo()
    assert "4 vectors hold numbers that are not finite, first that of row 0" in verify_view(folder)["shards/00001.npy"]


def test_views_of_a_folder(write, tmp_path):
    one, two = write(name="a"), write(name="b")
    (tmp_path / "c").mkdir()
    assert view_folders(tmp_path) == [one, two]
    assert view_folders(one) == [one]
    with pytest.raises(InputError, match=r"c holds no view: give a folder that `modelheir embed` wrote"):
        view_folders(tmp_path / "c")
    with pytest.raises(InputError, match="gone is not there"):
        view_folders(tmp_path / "gone")
