import dataclasses

import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.data import VectorSet, fingerprint, join_views, vector_stream


@pytest.fixture
def make(tmp_path):
    """Write vectors to disk in a mixed order and open them as a memory map."""

    def vectors(name, ids, *, width=3, seed=0, dtype=np.float16, labels=None):
        values = np.random.default_rng(seed).normal(size=(len(ids), width)).astype(dtype)
        order = np.random.default_rng(seed + 1).permutation(len(ids))
        np.save(tmp_path / f"{name}.npy", values[order])
        rows = np.empty((len(ids), 1), np.int64)
        rows[order, 0] = np.arange(len(ids))
        given = np.arange(len(ids)) % 2 if labels is None else np.array(labels)
        view = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
        return VectorSet(name, ("a", "b"), np.array(ids), given, (view,), rows), values

    return vectors


def test_vectors_come_by_their_row_and_in_float32(make):
    found, values = make("one", list("pqrst"))
    assert len(found) == 5
    assert found.widths == (3,)
    (read,) = found.read(np.array([3, 0]))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values[[3, 0]].astype(np.float32))
    assert isinstance(found.subset(np.array([4])).views[0], np.memmap)  # nothing was copied
    np.testing.assert_array_equal(found.subset(np.array([4, 1])).read(np.array([1]))[0], values[[1]])


def test_views_are_joined_by_sample_id(make):
    (one, first), (two, second) = make("one", list("pqr")), make("two", list("rpq"), width=2, seed=5, labels=[0, 0, 1])
    both = join_views([one, two])
    assert both.widths == (3, 2)
    assert both.ids.tolist() == list("pqr")
    a, b = both.read(np.arange(3))
    np.testing.assert_array_equal(a, first)
    np.testing.assert_array_equal(b, second[[1, 2, 0]])


def test_missing_samples_are_counted_and_named(make, caplog):
    (one, _), (two, _) = make("one", list("pqrs")), make("two", list("psq"), labels=[0, 1, 1])
    with pytest.raises(InputError, match="two lacks 1 of the 4 samples of one, such as 'r'"):
        join_views([one, two])
    assert join_views([one, two], max_missing_share=0.25).ids.tolist() == list("pqs")
    assert "two lacks 1 of the 4 samples of one, such as 'r'; they are left out" in caplog.text


def test_one_sample_has_one_label(make):
    (one, _), (two, _) = make("one", list("pq")), make("two", list("pq"), labels=[0, 0])
    with pytest.raises(InputError, match="one and two label 'q' differently"):
        join_views([one, two])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": np.array([0, 2])}, "outside 0 to 1"),
        ({"ids": np.array(["p", "p"])}, "more than once"),
        ({"rows": np.array([[0], [2]])}, "outside its 2 vectors"),
        ({"views": (np.zeros((2, 3), int),)}, "must be floats"),
    ],
)
def test_says_what_is_wrong(make, changes, words):
    with pytest.raises(InputError, match=words):
        dataclasses.replace(make("one", list("pq"))[0], **changes)


def test_fingerprints_tell_vectors_apart(make):
    (one, _), (other, _) = make("one", list("pqr")), make("two", list("pqr"), seed=9)
    assert fingerprint(one)["pixels"] == fingerprint(one)["pixels"] != fingerprint(other)["pixels"]
    assert fingerprint(one)["content"] == fingerprint(other)["content"]
    assert fingerprint(one)["images_hashed"] == 3


def test_batches_hold_one_tensor_or_one_a_view(make):
    (one, first), (two, _) = make("one", list("pqrst")), make("two", list("pqrst"), width=2, seed=5)
    alone = vector_stream(one, batch_size=2, train=True, seed=0, drop_last=False, split="train")
    assert alone.split == "train"
    seen = list(alone.epoch(1))
    assert [len(batch) for batch in seen] == [2, 2, 1]
    for batch in seen:
        np.testing.assert_array_equal(batch.inputs, first[batch.index.numpy()].astype(np.float32))
        assert torch.equal(batch.labels, torch.from_numpy(one.labels)[batch.index])
    extra = {"weight": torch.arange(5.0)}
    (batch,) = vector_stream(join_views([one, two]), batch_size=8, train=False, seed=0, extra=extra).epoch(0)
    assert [tuple(view.shape) for view in batch.inputs] == [(5, 3), (5, 2)]
    assert not batch.crops
    assert torch.equal(batch.extra["weight"], torch.arange(5.0))
