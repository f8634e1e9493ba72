"""An opened view: all shards as one array, images without a vector left out, damage and NaN refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.embeddings import StoredVectors, open_view, read_facts
from modelheir.embeddings.shards import shard_file
from modelheir.embeddings.stored import missing_shards


def test_a_view_is_read_back(write, rows, vectors):
    view = open_view(write())
    np.testing.assert_array_equal(view.rows.ids, rows.ids)
    np.testing.assert_array_equal(view.rows.labels, rows.labels)
    np.testing.assert_array_equal(view.vectors[view.places], vectors)
    assert (view.missing, view.vectors.shape, view.vectors.dtype, view.vectors.ndim) == ((), (10, 3), np.float16, 2)
    open_view(str(view.folder), fingerprint="f" * 64)


def test_images_without_a_vector_are_left_out_and_named(write, rows, vectors):
    view = open_view(write(missing=(0, 9)))
    assert view.missing == (rows.ids[0], rows.ids[9])
    np.testing.assert_array_equal(view.rows.ids, rows.ids[1:9])
    np.testing.assert_array_equal(view.rows.splits, rows.splits[1:9])
    np.testing.assert_array_equal(view.vectors[view.places], vectors[1:9])


@given(
    lengths=st.tuples(st.integers(1, 5), st.integers(1, 3)),
    last=st.integers(1, 5),
    picks=st.lists(st.integers(0, 10**6), max_size=12),
)
def test_rows_are_those_of_the_joined_array(lengths, last, picks):
    """NumPy's own indexing of the concatenation is the oracle."""
    length, count = lengths
    parts = [np.random.default_rng(k).normal(size=(length, 2)) for k in range(count)]
    parts.append(np.random.default_rng(9).normal(size=(min(last, length), 2)))
    whole, found = np.concatenate(parts), StoredVectors(parts)
    rows = np.array([pick % len(whole) for pick in picks], dtype=np.int64)
    np.testing.assert_array_equal(found[rows], whole[rows])
    np.testing.assert_array_equal(found[rows.reshape(-1, 1)], whole[rows.reshape(-1, 1)])
    np.testing.assert_array_equal(found[rows[0]] if len(rows) else found[0], whole[rows[0] if len(rows) else 0])
    np.testing.assert_array_equal(found[::-2], whole[::-2])
    np.testing.assert_array_equal(found[whole[:, 0] > 0], whole[whole[:, 0] > 0])
    np.testing.assert_array_equal(np.asarray(found), whole)
    assert np.asarray(found, dtype=np.float32).dtype == np.float32
    assert len(found) == len(whole)


def test_rows_outside_are_refused():
    found = StoredVectors([np.zeros((2, 1)), np.zeros((1, 1))])
    for rows in ([3], [-1], np.ones(2, dtype=bool)):
        with pytest.raises(IndexError):
            found[rows]
    with pytest.raises(ValueError, match="without a copy"):
        np.array(found, copy=False)


def test_a_half_written_view_is_refused(write):
    folder = write(0, 2)
    with pytest.raises(InputError, match=r"view is half-written: 1 of 3 shards is missing, the first is 00001\. Run"):
        open_view(folder)
    assert missing_shards(folder, read_facts(folder)) == [1]
    write(1)
    shard_file(folder, 2).write_bytes(shard_file(folder, 2).read_bytes()[:-2])
    shard_file(folder, 0, "json").unlink()
    with pytest.raises(InputError, match=r"half-written: 2 of 3 shards are missing, the first is 00000"):
        open_view(folder)


def test_another_encoder_is_refused(write):
    with pytest.raises(InputError, match=r"is the view of another encoder, timm:net, than the one asked for"):
        open_view(write(), fingerprint="0" * 64)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_named_by_their_sample(write, rows, value):
    folder = write(missing=(4,))
    array = np.load(shard_file(folder, 1))
    array[2, 0] = value
    np.save(shard_file(folder, 1), array)
    with pytest.raises(InputError, match=r"the vector of 'img/06\.png' holds numbers that are not finite"):
        open_view(folder)
