"""Shards: every row in one of them, files that are whole or absent, keys that keep scores apart."""

import numpy as np
import pyarrow as pa
import pytest

from modelheir.checks import InputError
from modelheir.selection.shards import (
    Scored,
    differences,
    is_done,
    read_bad,
    read_scored,
    score_file,
    shards_in,
    write_scored,
)  # fmt: skip
from modelheir.shard import Shard

KEY = {"teacher": "a", "pool": {"images": 3}}


def scored(ids=("a", "b", "c"), width=2):
    n = len(ids)
    rng = np.random.default_rng(0)
    return Scored(
        sample_id=pa.array(ids, pa.string()),
        classes=rng.integers(-1, 5, (n, width)).astype(np.int32),
        probabilities=rng.random((n, width)).astype(np.float32),
        content=np.array([i.to_bytes(16, "big") for i in range(n)], dtype=object),
        hash=rng.integers(0, 2**63, n).astype(np.uint64) * np.uint64(2),
        thumbnail=rng.integers(0, 256, (n, 16, 16, 3)).astype(np.uint8),
        features=rng.random((n, 7)).astype(np.float16),
    )


def test_what_is_written_is_read(tmp_path):
    path, made = score_file(tmp_path, Shard(1, 2)), scored()
    write_scored(path, made, KEY, bad={"x.png": "x.png: empty file"})
    assert is_done(path, KEY)
    (found,) = read_scored([path], columns=("content", "hash", "thumbnail", "features"))
    assert found.sample_id.to_pylist() == ["a", "b", "c"]
    for name in ("classes", "probabilities", "content", "hash", "thumbnail", "features"):
        assert np.array_equal(getattr(found, name), getattr(made, name)), name
        assert getattr(found, name).dtype == getattr(made, name).dtype, name
    assert read_bad(path) == {"x.png": "x.png: empty file"}
    assert shards_in(tmp_path) == [Shard(1, 2)]
    (bare,) = read_scored([path])
    assert bare.features is None


def test_rows_come_in_groups(tmp_path):
    path = tmp_path / "part-1-of-1.parquet"
    write_scored(path, scored([f"i{i}" for i in range(20_000)], 1), KEY)
    sizes = [len(part) for part in read_scored([path, path])]
    assert sizes == [16_384, 3_616] * 2


def test_no_rows_are_a_shard_too(tmp_path):
    path = tmp_path / "part-1-of-1.parquet"
    write_scored(path, scored(()), KEY)
    assert is_done(path, KEY)
    assert sum(len(part) for part in read_scored([path])) == 0


def test_scores_of_another_teacher_are_refused_by_name(tmp_path):
    path = tmp_path / "part-1-of-1.parquet"
    write_scored(path, scored(), KEY)
    with pytest.raises(InputError, match=r"part-1-of-1.parquet was scored with another teacher: give another --out"):
        is_done(path, {**KEY, "teacher": "b"})
    with pytest.raises(InputError, match="another teacher and pool"):
        is_done(path, {"teacher": "b", "pool": 1})
    assert differences({"a": 1, "old": 2}, {"a": 1}) == ["old"]
    assert differences([], {"a": 1}) == ["key"]


def test_a_half_written_shard_is_not_done(tmp_path):
    path = tmp_path / "part-1-of-1.parquet"
    assert not is_done(path, KEY)
    write_scored(path, scored(), KEY)
    path.write_bytes(path.read_bytes()[:-50])
    assert not is_done(path, KEY)
    assert read_bad(path) == {}
    with pytest.raises(InputError, match=r"not a whole file of scores .*: remove it and run its shard again"):
        list(read_scored([path]))
