import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.selection.replay import Reservoir, balanced_rows, class_quotas, herded_rows

labels = st.lists(st.integers(0, 4), max_size=25).map(lambda rows: np.array(rows, int))


def test_every_item_is_kept_equally_often():
    counts = np.zeros(6)
    for seed in range(3000):
        kept = Reservoir(2, np.random.default_rng(seed))
        kept.add([0, 1])
        kept.add([2, 3, 4, 5])
        counts[kept.items] += 1
        assert len(set(kept.items)) == 2
    assert kept.seen == 6
    expected = 3000 * 2 / 6
    assert ((counts - expected) ** 2 / expected).sum() < 20.5  # chi-square, 5 degrees of freedom, p = 0.001


@settings(deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(), max_size=12))
def test_a_reservoir_never_holds_more_and_all_while_there_is_room(size, items):
    kept = Reservoir(size, np.random.default_rng(0))
    kept.add(items)
    assert len(kept.items) == min(size, len(items))
    if len(items) <= size:
        assert kept.items == items


@settings(deadline=None)
@given(labels, st.integers(0, 30))
def test_quotas_are_even_up_to_one_where_there_are_images(label, size):
    quotas, counts = class_quotas(label, size), np.bincount(label, minlength=5)
    assert sum(quotas.values()) == min(size, len(label))
    open_ = [quota for one, quota in quotas.items() if quota < counts[one]]
    assert not open_ or max(quotas.values()) - min(open_) <= 1
    assert all(quota <= counts[one] for one, quota in quotas.items())
    assert list(quotas) == sorted(set(label.tolist()))


@settings(deadline=None)
@given(labels, st.integers(0, 30), st.integers(0, 9))
def test_balanced_and_herded_rows_keep_the_quotas(label, size, seed):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(len(label), 3))
    for rows in (balanced_rows(label, size, generator), herded_rows(features, label, size)):
        assert len(set(rows.tolist())) == len(rows)
        assert {c: n for c, n in class_quotas(label, size).items() if n} == {
            int(c): int(n) for c, n in zip(*np.unique(label[rows], return_counts=True), strict=True)
        }


def test_balanced_rows_are_drawn_from_the_whole_class():
    label = np.array([0] * 8 + [1] * 2)
    seen = {row for seed in range(60) for row in balanced_rows(label, 3, np.random.default_rng(seed)).tolist()}
    assert seen == set(range(10))


def test_herding_against_a_loop_and_its_beginnings():
    generator = np.random.default_rng(1)
    features, label = generator.normal(size=(12, 2)), np.array([0] * 7 + [3] * 5)
    wanted = []
    for one in (0, 3):
        rows, chosen = [row for row in range(12) if label[row] == one], []
        mean = sum(features[row] for row in rows) / len(rows)
        for _ in range(4):
            left = [row for row in rows if row not in chosen]
            size = len(chosen) + 1
            chosen.append(
                min(left, key=lambda r: np.sum((mean - (sum(features[c] for c in chosen) + features[r]) / size) ** 2))
            )
        wanted += chosen
    found = herded_rows(features, label, 8)
    assert found.tolist() == wanted
    fewer = herded_rows(features, label, 4)
    assert fewer.tolist() == [*wanted[:2], *wanted[4:6]]


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="size must be >= 1"):
        Reservoir(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="size must be >= 0"):
        class_quotas(np.zeros(2, int), -1)
    with pytest.raises(ValueError, match="two dimensions"):
        herded_rows(np.zeros(2), np.zeros(2, int), 1)
    with pytest.raises(ValueError, match="lengths must be equal"):
        herded_rows(np.zeros((2, 1)), np.zeros(3, int), 1)
