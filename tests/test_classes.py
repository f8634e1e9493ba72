"""Matching two class lists, against a loop that a reader can follow, and the sentences of its errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.classes import RULES, match_classes, renumber, some_names

NAMES = st.lists(st.sampled_from([*"abcdefgh", *"01234"]), unique=True, min_size=1, max_size=9)
COUNTS = st.integers(1, 9)


def looked_up(ours, theirs, rule):
    """The rule in ten lines: the pairs of equal classes."""
    pairs = []
    by_name = rule == "by-name" and not isinstance(ours, int) and not isinstance(theirs, int)
    for i in range(ours if isinstance(ours, int) else len(ours)):
        for j in range(theirs if isinstance(theirs, int) else len(theirs)):
            if (by_name and ours[i] == theirs[j]) or (not by_name and i == j):
                pairs.append((i, j))
    return tuple(pairs)


@given(ours=NAMES | COUNTS, theirs=NAMES | COUNTS, rule=st.sampled_from(RULES))
def test_pairs_are_those_of_the_loop(ours, theirs, rule):
    pairs = looked_up(ours, theirs, rule)
    if not pairs:
        with pytest.raises(InputError, match="share no class name"):
            match_classes(ours, theirs, rule=rule)
    found = match_classes(ours, theirs, rule=rule, may_differ=True)
    assert found.pairs == pairs
    assert found.in_order == (rule == "by-order" or isinstance(ours, int) or isinstance(theirs, int))
    assert found.to_theirs.tolist() == [dict(pairs).get(i, -1) for i in range(len(found.ours))]
    back = {j: i for i, j in pairs}
    assert found.to_ours.tolist() == [back.get(j, -1) for j in range(len(found.theirs))]
    assert found.lacking == tuple(name for i, name in enumerate(found.ours) if i not in dict(pairs))
    assert found.further == tuple(name for j, name in enumerate(found.theirs) if j not in back)
    assert found.identical == (len(pairs) == len(found.ours) == len(found.theirs) and all(i == j for i, j in pairs))


@given(ours=NAMES | COUNTS, theirs=NAMES | COUNTS, rule=st.sampled_from(RULES))
def test_together_holds_every_class_once_and_ours_keep_their_numbers(ours, theirs, rule):
    found = match_classes(ours, theirs, rule=rule, may_differ=True)
    numbers = found.numbers_together.tolist()
    shared = {j: i for i, j in found.pairs}
    fresh = iter(range(len(found.ours), 99))
    assert numbers == [shared[j] if j in shared else next(fresh) for j in range(len(found.theirs))]
    if isinstance(ours, int) and isinstance(theirs, int):
        assert found.together is None
        assert found.theirs_together == found.theirs
        return
    assert found.together is not None
    assert len(set(found.together)) == len(found.together) == max(len(found.ours), 1 + max(numbers))
    if not isinstance(ours, int):
        assert list(found.together[: len(ours)]) == ours
    if not found.in_order:
        assert [found.together[number] for number in numbers] == theirs == list(found.theirs_together)


@given(theirs=NAMES | COUNTS, ours=NAMES | COUNTS, rule=st.sampled_from(RULES))
def test_the_two_sides_are_mirror_images(ours, theirs, rule):
    here, there = (match_classes(*pair, rule=rule, may_differ=True) for pair in ((ours, theirs), (theirs, ours)))
    assert here.to_theirs.tolist() == there.to_ours.tolist()
    assert (here.lacking, here.identical) == (there.further, there.identical)


def test_what_is_not_known_is_as_long_as_the_other():
    found = match_classes(None, ["cat", "dog"])
    assert (found.identical, found.in_order, found.together) == (True, True, ("cat", "dog"))
    assert match_classes(3, None).theirs == ("0", "1", "2")
    with pytest.raises(ValueError, match="must be known"):
        match_classes(None, None)


def test_numbers_give_way_to_names_and_taken_names_are_numbered():
    assert match_classes(3, ["2", "dog"]).together == ("2", "dog", "2 (2)")
    by_order = match_classes(["a"], ["x", "a"], rule="by-order")
    assert by_order.together == by_order.theirs_together == ("a", "a (2)")
    assert match_classes(["a", "b", "c"], 2).theirs_together == ("a", "b")


@pytest.mark.parametrize("lists", [(["cat"], ["dog"]), (["0", "1"], ["cat", "dog"]), ([], ["dog"]), (0, ["dog"])])
def test_no_shared_class_is_an_error_that_says_what_to_do(lists):
    with pytest.raises(InputError) as caught:
        match_classes(*lists, names=("the data", "the model"), advice=", or say --classes by-order")
    ours = lists[0] or []
    assert str(caught.value) == (
        f"the data and the model share no class name: the data has {', '.join(ours) or 'no classes'}, the model has "
        f"{', '.join(lists[1])}; give both the same names, or say --classes by-order."
    )


def test_a_name_twice_is_refused():
    with pytest.raises(InputError, match=r"class names of the file repeat: cat, owl; name every class once\."):
        match_classes(["cat"], ["owl", "cat", "owl", "dog", "cat"], names=("the data", "the file"))
    with pytest.raises(InputError, match=r"unknown classes 'by-oder'. Did you mean 'by-order'"):
        match_classes(["cat"], ["cat"], rule="by-oder")


@given(labels=st.lists(st.integers(-3, 4), max_size=20), table=st.lists(st.integers(-1, 9), min_size=5, max_size=5))
def test_labels_are_renumbered_one_by_one(labels, table):
    expected = [table[label] if label >= 0 else label for label in labels]
    assert renumber(np.array(labels, np.int64), np.array(table)).tolist() == expected


def test_pairs_in_words():
    assert match_classes(["a", "b", "c", "d"], 5).in_words() == "0 = a, 1 = b, 2 = c, ..."
    assert match_classes(["b", "a"], ["a", "z"]).in_words() == "a = a"
    assert some_names(["a", "b"], most=2) == "a, b"
