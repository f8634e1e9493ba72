"""Shards: whole or absent, of this view alone, and free of numbers that are none."""

import dataclasses
import json
import os
import sys

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.embeddings import is_finished, write_shard
from modelheir.embeddings.shards import check_shard, map_shard, nonfinite_rows, shard_file


def test_numpy_reads_a_shard(write, facts, vectors):
    folder = write()
    for number in range(3):
        part = facts.shard(number)
        found = np.load(shard_file(folder, number))
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, vectors[part.start : part.stop])
        np.testing.assert_array_equal(map_shard(folder, facts, number), found)
        assert is_finished(folder, facts, number)
        check_shard(folder, facts, number, content=True)


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files as Linux shows them")
def test_mapped_shards_keep_no_file_open(write, facts):
    folder = write()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a Path would open it while it is listed
    held = [map_shard(folder, facts, 0) for _ in range(20)]
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert not held[0].flags.writeable


def test_images_without_a_vector_are_nan_and_noted(write, facts, vectors):
    folder = write(missing=(4, 7))
    found = map_shard(folder, facts, 1)
    assert np.isnan(found[[0, 3]]).all()
    np.testing.assert_array_equal(found[1:3], vectors[5:7])
    assert check_shard(folder, facts, 1).missing == (0, 3)
    assert check_shard(folder, facts, 0).missing == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_with_the_sample(write, facts, vectors, value):
    folder, ids = write(1), np.array(list("abcd"))
    vectors[2, 1] = value
    with pytest.raises(InputError, match=r"timm:net gives numbers that are not finite for 1 image, 'c': try"):
        write_shard(folder, facts, 0, vectors[:4], ids)
    vectors[:4] = value
    with pytest.raises(InputError, match=r"for 4 images, 'a', 'b', 'c', \.\.\.: try"):
        write_shard(folder, facts, 0, vectors[:4], ids)
    assert not shard_file(folder, 0).exists()


def test_numbers_that_float16_lacks_are_refused_and_float32_holds_them(write, facts, vectors):
    folder, ids = write(1), np.array(list("abcd"))
    vectors[3, 0] = 1e5
    with pytest.raises(InputError, match=r"float16 cannot hold for 1 image, 'd': use --dtype float32"):
        write_shard(folder, facts, 0, vectors[:4], ids)
    wide = dataclasses.replace(facts, dtype="float32")
    write_shard(folder, wide, 0, vectors[:4], ids)
    np.testing.assert_array_equal(map_shard(folder, wide, 0), vectors[:4])


def test_other_shapes_are_a_mistake_of_the_caller(write, facts, vectors):
    folder = write(1)
    for given, ids in ((vectors[:3], "abc"), (vectors[:4, :2], "abcd"), (vectors[:4], "abc")):
        with pytest.raises(ValueError, match=r"shard 0 must have shape \(4, 3\)"):
            write_shard(folder, facts, 0, given, np.array(list(ids)))


def test_a_shard_that_is_not_whole_is_not_finished(write, facts, tmp_path):
    folder = write()
    content = shard_file(folder, 1).read_bytes()
    shard_file(folder, 1).write_bytes(content[:-1])
    assert not is_finished(folder, facts, 1)
    with pytest.raises(InputError, match=r"00001\.npy is damaged: it has 151 bytes and was written with 152"):
        check_shard(folder, facts, 1)
    shard_file(folder, 1).unlink()
    with pytest.raises(InputError, match=r"00001\.npy is missing"):
        check_shard(folder, facts, 1)
    with pytest.raises(InputError, match=r"00001\.npy is missing"):
        map_shard(folder, facts, 1)
    shard_file(folder, 0, "json").unlink()
    assert [is_finished(folder, facts, number) for number in range(3)] == [False, False, True]


def test_changed_content_shows_in_the_checksum(write, facts):
    folder = write()
    content = bytearray(shard_file(folder, 2).read_bytes())
    content[-1] ^= 1
    shard_file(folder, 2).write_bytes(content)
    check_shard(folder, facts, 2)
    with pytest.raises(InputError, match=r"00002\.npy is damaged: its content is not what was written \(SHA-256\)"):
        check_shard(folder, facts, 2, content=True)


def test_a_shard_of_another_view_is_never_read(write, facts):
    other = write(name="other", encoder={"address": "timm:net", "fingerprint": "0" * 64})
    assert not is_finished(other, facts, 0)
    with pytest.raises(InputError, match=r"00000\.npy is a shard of another view"):
        check_shard(other, facts, 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: note.pop("sha256"),
        lambda note: note.update(missing=[4]),
        lambda note: note.update(bytes="many"),
        lambda note: note.update(missing=None),
    ],
)
def test_a_damaged_note_is_named(write, facts, spoil):
    folder = write()
    path = shard_file(folder, 0, "json")
    note = json.loads(path.read_text())
    spoil(note)
    path.write_text(json.dumps(note))
    with pytest.raises(InputError, match=r"00000\.json is damaged"):
        check_shard(folder, facts, 0)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((4, 2), np.float16), r"float16 \(4, 2\) in place of float16 \(4, 3\)"),
        (np.zeros((4, 3), np.float64), r"float64 \(4, 3\)"),
        (np.asfortranarray(np.zeros((4, 3), np.float16)), "column by column"),
        (np.array([[None]]), "or are objects"),
    ],
)
def test_another_array_is_named(write, facts, array, said):
    folder = write()
    np.save(shard_file(folder, 0), array)
    with pytest.raises(InputError, match=rf"00000\.npy is damaged: .*{said}"):
        map_shard(folder, facts, 0)


def test_a_cut_array_is_named(write, facts):
    folder = write()
    for length in (0, 20, 140):
        shard_file(folder, 0).write_bytes(shard_file(folder, 1).read_bytes()[:length])
        with pytest.raises(InputError, match=r"00000\.npy is damaged: it is no array"):
            map_shard(folder, facts, 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rows_with_numbers_that_are_none_are_found_in_every_chunk(dtype):
    """NumPy's isfinite of the whole is the oracle, over every number of half precision too."""
    vectors = np.zeros((2000, 2), dtype)
    vectors[[0, 511, 512, 1999], [0, 1, 0, 1]] = np.nan, np.inf, -np.inf, np.nan
    assert nonfinite_rows(vectors).tolist() == [0, 511, 512, 1999]
    assert nonfinite_rows(vectors[1:5]).tolist() == []
    assert nonfinite_rows(vectors[:0]).tolist() == []
    assert nonfinite_rows(np.asfortranarray(vectors)).tolist() == [0, 511, 512, 1999]
    every = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(dtype).reshape(-1, 1)
    np.testing.assert_array_equal(nonfinite_rows(every), np.flatnonzero(~np.isfinite(every[:, 0])))
