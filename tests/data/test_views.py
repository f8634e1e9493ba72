"""Stored views as the splits of a run: joined by sample id, whatever their order, and checked."""

import dataclasses
import itertools
import logging

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.data import VectorSet, view_sets
from modelheir.data.images import ArrayPixels, ImageSet
from modelheir.embeddings import Rows, ViewFacts, rows_digest, write_facts, write_shard
from modelheir.embeddings.rows import write_rows

CLASSES = ("cat", "dog", "owl")
IDS = np.array([f"s{number}" for number in range(12)])
LABELS = np.arange(12) % 3
COUNT = itertools.count()  #: of examples, each with folders of its own


def values(ids, width, seed):
    """Return a vector an id, the same wherever the id stands."""
    numbers = np.array([int(name[1:]) for name in ids], dtype=np.float32)
    return (numbers[:, None] + 100 * seed + np.arange(width) / 8).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    """Write a view of the ids, in shards of five."""

    def write(name, ids, labels, *, width=2, seed=0, classes=CLASSES, dtype="float16", missing=()):
        folder, rows = tmp_path / name, Rows(np.array(ids), np.array(labels), np.full(len(ids), "train"))
        facts = ViewFacts(
            encoder={"address": f"timm:{name}", "fingerprint": name},
            preprocessing={},
            data={"address": "x", "content": "", "pixels": ""},
            rows=rows_digest(rows), classes=tuple(classes), count=len(ids), width=width, dtype=dtype, shard_images=5,
        )  # fmt: skip
        write_facts(folder, facts)
        write_rows(folder, facts, rows)
        for number in range(facts.shards):
            part = np.asarray(facts.shard(number))
            lost = np.flatnonzero(np.isin(rows.ids[part], missing))
            write_shard(folder, facts, number, values(rows.ids[part], width, seed), rows.ids[part], lost)
        return folder

    return write


def images(rows, *, classes=CLASSES, labels=None):
    rows = np.asarray(rows)
    return ImageSet(
        name=f"photos/{len(rows)}",
        classes=classes,
        ids=IDS[rows],
        labels=LABELS[rows] if labels is None else np.asarray(labels),
        pixels=ArrayPixels(np.zeros((12, 2, 2, 3), np.uint8)),
        rows=rows,
        columns={"site": rows % 2},
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(orders=st.tuples(st.permutations(range(12)), st.permutations(range(12))), cut=st.integers(1, 11))
def test_every_sample_gets_its_own_vectors_whatever_the_order(store, orders, cut):
    first, second = (np.array(order) for order in orders)
    name = f"{next(COUNT)}"
    views = [
        store(f"a{name}", IDS[first], LABELS[first], seed=1),
        store(f"b{name}", IDS[second], LABELS[second], seed=2, width=3, dtype="float32"),
    ]
    splits = {"train": images(first[:cut]), "test": images(second[:cut])}
    found = view_sets(views, splits)
    assert list(found) == ["train", "test"]
    for split, one in found.items():
        assert isinstance(one, VectorSet)
        assert one.widths == (2, 3)
        np.testing.assert_array_equal(one.ids, splits[split].ids)
        np.testing.assert_array_equal(one.labels, splits[split].labels)
        np.testing.assert_array_equal(one.columns["site"], splits[split].columns["site"])
        read = one.read(np.arange(len(one)))
        for number, width in enumerate(one.widths):
            assert read[number].dtype == np.float32
            np.testing.assert_array_equal(read[number], values(one.ids, width, number + 1))


def test_one_view_and_vectors_of_a_split_that_are_vectors_already(store):
    folder = store("a", IDS, LABELS)
    found = view_sets([str(folder)], {"val": images([4, 2])})["val"]
    again = view_sets([folder, folder], {"val": found})["val"]
    assert again.widths == (2, 2)
    for view in again.read(np.array([1])):
        np.testing.assert_array_equal(view, values(["s2"], 2, 0))


def test_hidden_labels_stay_hidden_and_class_lists_are_matched_by_name(store):
    folder = store("a", IDS, LABELS, classes=CLASSES)
    hidden = images([0, 1, 2], labels=[-1, -1, 2])
    assert view_sets([folder], {"unlabelled": hidden})["unlabelled"].labels.tolist() == [-1, -1, 2]
    turned = images([0, 1, 2], classes=("owl", "cat", "dog"), labels=[1, 2, 0])
    assert view_sets([folder], {"train": turned})["train"].labels.tolist() == [1, 2, 0]
    fewer = images([0, 1], classes=("cat", "dog"), labels=[0, 1])
    assert view_sets([folder], {"train": fewer})["train"].labels.tolist() == [0, 1]
    without = images([0, 1], classes=(), labels=[-1, -1])
    assert view_sets([folder], {"train": without})["train"].labels.tolist() == [-1, -1]
    bare = store("bare", IDS, np.full(12, -1), classes=())
    assert view_sets([bare], {"train": fewer})["train"].labels.tolist() == [0, 1]


def test_ids_that_mean_other_images_are_refused(store):
    """One view permuted under its ids, as by row numbers of data in another order (T-16)."""
    views = [store("a", IDS, LABELS), store("b", IDS, np.roll(LABELS, 1))]
    with pytest.raises(InputError, match=r"photos/12 and .*b label 's0' differently"):
        view_sets(views, {"train": images(range(12))})


def test_missing_samples_are_counted_named_and_left_out_within_a_share(store, caplog):
    views = [store("a", IDS, LABELS), store("b", IDS[2:], LABELS[2:], missing=("s5",))]
    splits = {"train": images([0, 5, 6, 7])}
    with pytest.raises(InputError, match=r"b lacks 2 of the 4 samples of photos/4, such as 's0': compute the missing"):
        view_sets(views, splits)
    with pytest.raises(InputError, match="lacks 2 of the 4"):
        view_sets(views, splits, max_missing_share=0.49)
    with caplog.at_level(logging.WARNING):
        found = view_sets(views, splits, max_missing_share=0.5)["train"]
    assert found.ids.tolist() == ["s6", "s7"]
    assert "lacks 2 of the 4 samples" in caplog.text
    for view in found.read(np.array([0, 1])):
        np.testing.assert_array_equal(view, values(["s6", "s7"], 2, 0))
    with pytest.raises(InputError, match="none of its samples is in all of"):
        view_sets(views, {"train": images([0, 1])}, max_missing_share=1.0)


def test_no_view_is_no_input():
    with pytest.raises(InputError, match="no view is given"):
        view_sets([], {"train": images([0])})


def test_a_view_with_nan_is_refused(store):
    folder = store("a", IDS, LABELS)
    path = folder / "shards" / "00001.npy"
    array = np.load(path)
    array[1] = np.nan
    np.save(path, array)
    with pytest.raises(InputError, match=r"the vector of 's6' holds numbers that are not finite"):
        view_sets([folder], {"train": dataclasses.replace(images([0]))})
