import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.metrics.outcomes import OUTCOMES, count_outcomes, outcomes


def by_hand(old, new, label):
    if old == label:
        return "both_right" if new == label else "negative_flip"
    if new == label:
        return "positive_flip"
    return "same_error" if old == new else "other_error"


triples = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=40)


@settings(deadline=None, max_examples=25)
@given(triples)
def test_codes_and_counts_follow_the_definition(rows):
    old, new, label = np.array(rows).T
    codes = outcomes(old, new, label)
    words = [by_hand(*row) for row in rows]
    assert [OUTCOMES[code] for code in codes] == words
    counts = count_outcomes(codes, group=label, groups=5)
    assert counts.shape == (5, 5)
    for group in range(5):
        for code, name in enumerate(OUTCOMES):
            assert counts[group, code] == sum(
                word == name and row[2] == group for word, row in zip(words, rows, strict=True)
            )
    np.testing.assert_array_equal(counts.sum(axis=0), count_outcomes(codes)[0])


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"old is \(2,\), new is \(3,\)"):
        outcomes(np.zeros(2), np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="shapes must be equal"):
        count_outcomes(np.zeros(3, np.uint8), group=np.zeros(2, int))


def test_no_images():
    none = np.zeros(0, int)
    assert count_outcomes(outcomes(none, none, none)).tolist() == [[0] * 5]


def test_groups_without_images_have_their_row():
    codes = np.array([1, 4], np.uint8)
    assert count_outcomes(codes, group=np.array([0, 0]), groups=3).tolist() == [[0, 1, 0, 0, 1], [0] * 5, [0] * 5]
    assert count_outcomes(codes, group=np.array([0.0, 0.0])).tolist() == [[0, 1, 0, 0, 1]]
