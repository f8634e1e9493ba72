import fractions

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.data.label_subsets import RULES, Amount, frequent_classes, parse_amount, split_labels

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def labels_of(sizes, seed=0, unlabelled=5):
    labels = np.repeat(np.arange(-1, len(sizes)), [unlabelled, *sizes])
    np.random.default_rng(seed).shuffle(labels)
    return labels


def kept(labels, *args, **named):
    """Rows, or nothing where a class would have no label."""
    try:
        return split_labels(labels, *args, **named)
    except InputError:
        return None


@settings(deadline=None, max_examples=60)
@given(SIZES, st.integers(1, 100), st.integers(1, 100), st.sampled_from(["stratified", "balanced"]), st.integers(0, 9))
def test_exact_size_class_quotas_and_nested(sizes, one, two, rule, seed):
    labels = labels_of(sizes)
    small, large = sorted((one, two))
    rows = {percent: kept(labels, percent / 100, rule=rule, seed=seed) for percent in (small, large)}
    for percent, found in rows.items():
        exact = fractions.Fraction(percent, 100)
        total = int(exact * sum(sizes))
        if found is None:
            assert total < sum(sizes)
            continue
        assert len(set(found.tolist())) == len(found) == total
        counts = np.bincount(labels[found], minlength=len(sizes))  # -1 would be an error here
        if rule == "stratified":
            part = [fractions.Fraction(total * size, sum(sizes)) for size in sizes]
            assert all(part[c] - 1 < counts[c] < part[c] + 1 for c in range(len(sizes)))
        else:  # none that could have had one more is two behind another
            free = [counts[c] for c in range(len(sizes)) if counts[c] < sizes[c]]
            assert not free or counts.max() <= min(free) + 1
    if rows[small] is not None and rows[large] is not None:
        assert set(rows[small]) <= set(rows[large])


def test_one_percent_lies_in_ten_on_many_classes_of_unequal_size():
    sizes = np.random.default_rng(3).integers(100, 300, 50)
    labels = labels_of(sizes)
    ids = np.array([f"img{row:06d}" for row in range(len(labels))])
    rows = [split_labels(labels, share, seed=13, ids=ids) for share in (0.01, 0.1, "10%")]
    assert [len(one) for one in rows] == [int(sizes.sum() // 100), *[int(sizes.sum() // 10)] * 2]
    assert set(rows[0]) < set(rows[1])
    assert rows[1].tolist() == rows[2].tolist()
    assert (np.diff(rows[1]) > 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_reproducible_without_the_global_seed_and_in_any_order_of_rows(rule):
    labels = labels_of([30, 50, 20])
    ids = np.array([f"s{row}" for row in range(len(labels))])
    np.random.seed(5)  # noqa: NPY002 # the global state is what must not be read or moved
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    rows = split_labels(labels, 0.2, rule=rule, seed=1, ids=ids)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert split_labels(labels, 0.2, rule=rule, seed=1, ids=ids).tolist() == rows.tolist()
    assert split_labels(labels, 0.2, rule=rule, seed=2, ids=ids).tolist() != rows.tolist()
    order = np.random.default_rng(0).permutation(len(labels))
    again = split_labels(labels[order], 0.2, rule=rule, seed=1, ids=ids[order])
    assert set(ids[order][again]) == set(ids[rows])
    by_row = split_labels(labels, 0.2, rule=rule, seed=1)
    assert by_row.tolist() == split_labels(labels, 0.2, rule=rule, seed=1, ids=np.arange(len(labels))).tolist()


def test_a_number_per_class_is_nested_and_leaves_out_the_unlabelled():
    labels = labels_of([9, 4, 6])
    few, more = (split_labels(labels, f"{n} per class", seed=0) for n in (2, 4))
    assert np.bincount(labels[few]).tolist() == [2, 2, 2]
    assert np.bincount(labels[more]).tolist() == [4, 4, 4]
    assert set(few) < set(more)
    assert split_labels(labels, 1.0, seed=0).tolist() == np.flatnonzero(labels >= 0).tolist()
    assert split_labels(labels, Amount(2, True), seed=0).tolist() == few.tolist()


def test_the_published_rules_are_told_apart_from_ours():
    """Of 10 labels asked for, 2.5 a class: all halves are rounded down, or the target is raised past them."""
    labels = labels_of([15] * 4)
    found = {rule: len(split_labels(labels, 1 / 6, rule=rule, seed=0)) for rule in RULES}
    assert found == {"stratified": 10, "balanced": 10, "published_stratified": 8, "published_balanced": 12}


def test_counts_belong_to_the_class_whose_label_they_are_whatever_its_number():
    """The published iNaturalist code indexes the counts by the label's value, and hides the error (Q-17)."""
    labels = np.repeat([900, 3, 70], [40, 20, 10])
    rows = split_labels(labels, 0.1, seed=0)
    assert dict(zip(*np.unique(labels[rows], return_counts=True), strict=True)) == {900: 4, 3: 2, 70: 1}


def test_the_most_frequent_classes_are_kept_not_the_last_ones():
    """The published code keeps the highest class numbers (Q-16)."""
    labels = np.repeat([0, 1, 2, 3, -1], [9, 2, 7, 2, 99])
    assert frequent_classes(labels, 2).tolist() == [0, 2]
    assert frequent_classes(labels, 3).tolist() == [0, 1, 2]  # of equals the lower number
    with pytest.raises(ValueError, match="count must be from 1 to 4"):
        frequent_classes(labels, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(0.01, Amount(0.01, False)), ("0.5", Amount(0.5, False)), (1, Amount(1, False)), ("1%", Amount(0.01, False)),
     ("5 per class", Amount(5, True)), ("1_per_class", Amount(1, True)), (" 2.5 % ", Amount(0.025, False))],
)  # fmt: skip
def test_amounts_that_are_read(text, expected):
    assert parse_amount(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("few", "must be a share such as 0.01"),
        ("1.2.3", "must be a share such as 0.01"),
        (0, "above 0 and at most 1"),
        (5, "write '5 per class' for a count"),
        ("nan", "must be a share"),
        ("101 %", "above 0 and at most 1"),
        ("0 per class", "whole one, >= 1"),
        ("2.5 per class", "whole one, >= 1"),
    ],
)
def test_amounts_that_are_refused(text, words):
    with pytest.raises(InputError, match=words):
        parse_amount(text)


def test_says_which_class_goes_without():
    labels = labels_of([200, 3, 97])
    with pytest.raises(InputError, match=r"1 of 3 classes would have no label \(owl\): keep more labels, balance"):
        split_labels(labels, 0.05, seed=0, classes=("ant", "owl", "cat"))
    assert np.bincount(labels[split_labels(labels, 0.05, rule="balanced", seed=0)]).tolist() == [6, 3, 6]
    with pytest.raises(InputError, match=r"1 of 4 classes would have no label \(dog\)"):
        split_labels(labels, "2 per class", seed=0, classes=("ant", "owl", "cat", "dog"))
    with pytest.raises(InputError, match=r"but 1 of 3 classes have fewer, such as class 1 with 3: ask for less"):
        split_labels(labels, "4 per class", seed=0)
    with pytest.raises(InputError, match=r"1 of 1 classes would have no label \(any\)"):
        split_labels(np.full(3, -1), 0.5, seed=0)
    with pytest.raises(InputError, match="Did you mean 'balanced'"):
        split_labels(labels, 0.5, rule="balance", seed=0)
    with pytest.raises(ValueError, match="lengths must be equal"):
        split_labels(labels, 0.5, seed=0, ids=["a"])
