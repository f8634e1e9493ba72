"""A whole cache: every row where it belongs, and every shard there."""

import dataclasses

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.runs.teacher_cache import reading
from modelheir.runs.teacher_cache.manifest import read_manifest
from modelheir.runs.teacher_cache.reading import cache_files, missing_shards, open_cache, verify_cache
from modelheir.shard import Shard


@pytest.fixture
def cache(write):
    write(2)
    return open_cache(write(1))


def test_rows_are_found_by_sample_id_over_all_shards(cache):
    assert cache.ids.tolist() == [f"img/{row}.png" for row in range(5)]
    assert cache.pixels.tolist() == [2**63 + row for row in range(5)]
    rows = cache.rows(np.array(["img/4.png", "other", "img/0.png"]))
    assert rows.tolist() == [4, -1, 0]


def test_rows_are_read_of_one_view_or_of_all(cache):
    rows = np.array([4, 0, 2, 1])
    one = cache.take("logits", rows, 2)
    assert one.tolist() == [[200 + 10 * row + column for column in range(4)] for row in rows]
    every = cache.take("features", rows)
    assert every.shape == (3, 4, 2)
    for view in range(3):
        assert every[view].tolist() == [[100 * view + 10 * row + column + 0.5 for column in range(2)] for row in rows]
    assert cache.take("logits", rows[:0], 0).shape == (0, 4)


def test_a_missing_shard_says_which_to_write(write):
    folder = write(2)
    assert missing_shards(folder, read_manifest(folder)) == [Shard(1, 2)]
    with pytest.raises(InputError, match=r"is half-written: shard 1/2 is missing\. Run .* with --shard 1/2\."):
        open_cache(folder)


def test_several_missing_shards_are_named(write):
    folder = write(2, shards=3)
    with pytest.raises(InputError, match=r"shards 1/3, 3/3 are missing\. Run .* with --shard 1/3 and so on\."):
        open_cache(folder)


def test_a_sample_in_two_shards_is_damage(write, monkeypatch):
    write(2)
    folder, read = write(1), reading.read_shard

    def twice(*args):
        found = read(*args)
        ids = np.where(found.images.ids == "img/4.png", "img/0.png", found.images.ids)
        return dataclasses.replace(found, images=dataclasses.replace(found.images, ids=ids))

    monkeypatch.setattr(reading, "read_shard", twice)
    with pytest.raises(InputError, match=r"is damaged: sample 'img/0\.png' is in it more than once"):
        open_cache(folder)


def test_verify_reads_every_byte_and_says_what_is_wrong(write):
    folder = write(2)
    found = verify_cache(folder)
    assert found == {Shard(1, 2): "not written: run `modelheir cache write` with --shard 1/2", Shard(2, 2): ""}
    path = write(1) / "features-1-of-2.npy"
    assert set(verify_cache(folder).values()) == {""}
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = verify_cache(folder)
    assert found[Shard(2, 2)] == ""
    assert "features-1-of-2.npy is damaged: its content is not what was written (SHA-256)" in found[Shard(1, 2)]


def test_the_files_that_tell_what_a_cache_holds(write):
    write(2)
    names = [path.name for path in cache_files(write(1))]
    assert names == ["cache.json", "shard-1-of-2.json", "shard-2-of-2.json"]
