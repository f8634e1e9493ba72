import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.metrics import join
from modelheir.metrics.join import find_rows, match_rows, pair_rows, renumber_labels
from modelheir.types import Predictions


@settings(deadline=None, max_examples=25)
@given(st.sets(st.text(max_size=5), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_any_order_is_found(ids, random):
    first = np.array(sorted(ids), dtype=object)
    second = np.array(random.sample(sorted(ids), len(ids)), dtype=object)
    assert second[match_rows(first, second)].tolist() == first.tolist()


@given(st.lists(st.text(max_size=2), max_size=9), st.lists(st.text(max_size=2), unique=True, max_size=9))
def test_rows_that_may_be_missing_are_found(ids, among):
    found = find_rows(np.array(ids, object), np.array(among, object))
    assert found.dtype == np.int64
    assert found.tolist() == [among.index(name) if name in among else -1 for name in ids]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("abcdefg", "a", r"new lacks 6 sample ids of old \(b, c, d, e, f, \.\.\.\)"),
        ("a", "ab", r"old lacks 1 sample ids of new \(b\)"),
        ("ab", "ac", r"new lacks 1 sample ids of old \(b\); old lacks 1 sample ids of new \(c\)"),
        ("aab", "ab", r"old repeats 1 sample ids \(a\)"),
        ("ab", "abb", r"new repeats 1 sample ids \(b\)"),
    ],
)
def test_errors_count_and_name(old, new, words):
    with pytest.raises(InputError, match=words):
        match_rows(np.array(list(old)), np.array(list(new)), names=("old", "new"))


def test_ids_that_share_a_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(join, "text_hash", lambda texts: np.zeros(len(texts), np.uint64))
    assert match_rows(np.array(["a", "b"]), np.array(["b", "a"])).tolist() == [1, 0]


def test_what_is_named_of_many_ids():
    assert join.name_ids(np.array(list("abcde"))) == "a, b, c, d, e"
    assert join.name_ids(np.array(list("abcdef"))) == "a, b, c, d, e, ..."
    with pytest.raises(InputError, match=r"the second file repeats 6 sample ids \(a, b, c, d, e, \.\.\.\): keep one"):
        match_rows(np.array(list("abcdef")), np.array(list("abcdef" * 2)))
    with pytest.raises(
        InputError, match=r"first file lacks 5 sample ids of the second file \(a, b, c, d, e\): compare"
    ):
        match_rows(np.array(["z"]), np.array(list("zabcde")))


def test_the_quick_way_gives_the_rows_of_the_exact_one(monkeypatch):
    rng = np.random.default_rng(0)
    first = np.array([f"id{number}" for number in rng.permutation(500)])
    second = rng.permutation(first)
    quick = match_rows(first, second)
    monkeypatch.setattr(join, "_exact", None)
    assert match_rows(first, second).tolist() == quick.tolist()  # the hash alone was enough
    assert (second[quick] == first).all()


def test_hashes_of_texts_tell_neighbours_and_places_apart():
    texts = np.array(["ab", "ba", "a", "b", "", "aa"])
    assert len(set(join.text_hash(texts).tolist())) == 6
    assert join.text_hash(texts).dtype == np.uint64
    assert join.text_hash(np.array(["", ""])).tolist() == [0, 0]
    assert (join.text_hash(texts) == join.text_hash(texts.astype("<U9"))).all()  # padding adds nothing


@settings(deadline=None, max_examples=25)
@given(st.sets(st.text("abc/019é", min_size=1, max_size=9), min_size=1, max_size=30))
def test_fixed_width_texts(ids):
    first = np.array(sorted(ids))
    second = np.append(first[::-1], "a much wider text than all others")[:-1]
    assert second.dtype != first.dtype
    assert second[match_rows(first, second)].tolist() == first.tolist()


def said(ids, label, classes=None):
    return Predictions(np.array(list(ids)), np.array(label), np.zeros(len(label), int), classes=classes)


def test_rows_of_predictions_and_none_for_the_same_order():
    first = said("abcd", [0, 1, -1, 2])
    assert pair_rows(first, first) is None
    rows = pair_rows(first, said("dbca", [2, 1, -1, 0]))
    assert rows.tolist() == [3, 1, 2, 0]


def test_labels_must_agree_in_the_numbering_of_the_first():
    first, other = said("abc", [0, 1, -1], ("cat", "dog")), said("cba", [-1, 0, 1], ("dog", "cat"))
    assert pair_rows(first, other, numbers=np.array([1, 0])).tolist() == [2, 1, 0]
    with pytest.raises(InputError, match=r"new has another label than old for 2 images \(a, b\): the files do not"):
        pair_rows(first, other, names=("old", "new"))
    many = said("abcdefg", [0] * 7)
    with pytest.raises(InputError, match=r"for 6 images \(b, c, d, e, f, \.\.\.\)"):
        pair_rows(many, said("abcdefg", [0, 1, 1, 1, 1, 1, 1]))
    assert renumber_labels(np.array([0, -1]), None).tolist() == [0, -1]
