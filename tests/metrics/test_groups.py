import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.metrics import groups
from modelheir.metrics.groups import group_by

letters = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)


@settings(deadline=None, max_examples=40)
@given(st.lists(letters, min_size=1, max_size=30), st.integers(1, 5))
def test_texts_against_numpy(texts, first):
    values = np.array(texts, np.str_)
    before, groups._FIRST = groups._FIRST, first
    try:
        codes, words = group_by(values)
    finally:
        groups._FIRST = before
    expected, inverse = np.unique(values, return_inverse=True)
    assert words == [word or None for word in expected.tolist()]
    np.testing.assert_array_equal(codes, inverse)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([3, 1, 3]), [1, 3]),
        (np.array([True, False]), [False, True]),
        (np.array([0.5, np.nan, np.nan]), [0.5, None]),
        (np.array(["b", None, "b", float("nan")], dtype=object), ["b", None]),
        (np.array(["b", "", None, "b"], dtype=object), ["b", None]),
        (np.array(["b", "", "b"]), [None, "b"]),
        (np.array([], dtype=np.str_), []),
    ],
)
def test_other_kinds(values, words):
    codes, found = group_by(values)
    assert found == words
    for code, value in zip(codes, values.tolist(), strict=True):
        assert found[code] == value or (found[code] is None and (value is None or value == "" or value != value))


def test_texts_that_share_a_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(groups, "text_hash", lambda texts: np.zeros(len(texts), np.uint64))
    codes, words = group_by(np.array(["x", "y", "x"]))
    assert (codes.tolist(), words) == ([0, 1, 0], ["x", "y"])
