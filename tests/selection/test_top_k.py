"""V-11: the stream's choice is that of a full sort; nested in k; ties by id; each class at most k, short ones kept."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.selection.top_k import TopK


def brute(ids, classes, chance, k, per_image):
    """Sort everything, class by class: the oracle."""
    found = {}
    for name, row, values in zip(ids, classes, chance, strict=True):
        for number, value in list(zip(row, values, strict=True))[:per_image]:
            if number >= 0:
                found.setdefault(int(number), []).append((-float(value), name))
    return {number: [(name, -value) for value, name in sorted(rows)[:k]] for number, rows in sorted(found.items())}


def streamed(ids, classes, chance, k, per_image, batch, count):
    best = TopK(count, k, classes_per_image=per_image)
    for start in range(0, len(ids), batch):
        part = slice(start, start + batch)
        best.add(pa.array(ids[part], pa.string()), classes[part], chance[part])
    found = {}
    for row in best.rows().to_pylist():
        found.setdefault(row["class"], []).append((row["sample_id"], row["probability"]))
    return found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_stream_equals_a_full_sort(data):
    n, count, k = data.draw(st.integers(0, 60)), data.draw(st.integers(1, 5)), data.draw(st.integers(1, 7))
    width, batch = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 20))
    per_image = data.draw(st.integers(1, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    ids = rng.permutation([f"image {i:03d}" for i in range(n)]).tolist()
    classes = rng.integers(-1, count, (n, width))
    chance = rng.integers(0, 4, (n, width)) / 4  # many ties
    expected = brute(ids, classes, chance, k, per_image)
    assert streamed(ids, classes, chance, k, per_image, batch, count) == expected
    assert sum(map(len, expected.values())) <= count * k


def test_a_smaller_k_is_nested_in_a_larger_one_and_short_classes_stay():
    rng = np.random.default_rng(0)
    ids = [f"i{i}" for i in range(300)]
    classes = np.where(rng.random((300, 1)) < 0.03, 2, rng.integers(0, 2, (300, 1)))
    chance = rng.random((300, 1))
    small, large = (streamed(ids, classes, chance, k, 1, 50, 4) for k in (5, 40))
    assert {number: rows[:5] for number, rows in large.items()} == small
    assert len(large[2]) == int((classes == 2).sum()) < 40
    assert 3 not in large


def test_the_order_of_the_batches_does_not_matter():
    rng = np.random.default_rng(1)
    ids = np.array([f"i{i}" for i in range(200)])
    classes, chance = rng.integers(0, 3, (200, 1)), rng.integers(0, 5, (200, 1)) / 5
    order = rng.permutation(200)
    one = streamed(ids.tolist(), classes, chance, 9, 1, 32, 3)
    assert one == streamed(ids[order].tolist(), classes[order], chance[order], 9, 1, 17, 3)


def test_every_image_seen_is_counted_for_its_class():
    best = TopK(3, 1, classes_per_image=2)
    best.add(pa.array(["a", "b"]), np.array([[0, 1, 2], [0, -1, 1]]), np.array([[0.5, 0.3, 0.2], [0.9, 0.05, 0.05]]))
    assert best.seen.tolist() == [2, 1, 0]


def test_memory_is_that_of_what_is_kept():
    """Ten times the rows need no more memory: a filter by the k-th value so far comes before anything is held."""

    def peak(rows):
        rng = np.random.default_rng(0)
        best = TopK(10, 20)
        tracemalloc.start()
        for start in range(0, rows, 2000):
            ids = pa.array([f"{i:09d}" for i in range(start, start + 2000)])
            best.add(ids, rng.integers(0, 10, (2000, 1)), rng.random((2000, 1)))
            assert best._count <= 2 * 10 * 20 + 2000 + 2000
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(100_000) < 1.5 * peak(10_000)


def test_what_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        TopK(2, 1).add(pa.array(["a"]), np.array([[0]]), np.array([[np.nan]]))
    with pytest.raises(ValueError, match="k must be >= 1"):
        TopK(2, 0)
