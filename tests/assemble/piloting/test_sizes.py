"""Sizes of small runs: nested, labels first, within the time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.assemble.piloting.sizes import Pace, Whole, choose_pairs, ladder, least_seconds

PACE = Pace(step_with=0.02, step_without=0.01, around_with=1.0, around_without=0.5)

wholes = st.builds(
    Whole,
    labelled=st.integers(20, 5_000),
    pool=st.integers(0, 50_000),
    classes=st.integers(2, 20),
    batch_size=st.integers(1, 64),
    epochs=st.integers(1, 40),
    target_epochs=st.integers(0, 5),
)


@given(wholes, st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_a_smaller_share_is_part_of_a_larger_one(whole, one, other):
    small, large = (whole.shrunk(share) for share in sorted((one, other)))
    assert small.labelled <= large.labelled <= whole.labelled
    assert small.pool <= large.pool <= whole.pool
    assert whole.steps(small) <= whole.steps(large)
    assert small.images >= whole.fewest


@given(wholes)
def test_the_whole_is_the_whole(whole):
    size = whole.shrunk(1.0)
    assert (size.labelled, size.pool, size.share) == (whole.labelled, whole.pool, 1.0)


def test_labels_are_kept_before_the_pool():
    whole = Whole(labelled=100, pool=9_900, classes=10, batch_size=10, epochs=10)
    assert whole.shrunk(0.02).labelled == 100
    assert whole.shrunk(0.015).labelled == 75
    assert Whole(labelled=900, pool=100, classes=10, batch_size=10, epochs=10).shrunk(0.5).labelled == 450


def test_both_arms_make_as_many_steps():
    whole = Whole(labelled=120, pool=600, classes=10, batch_size=16, epochs=10, target_epochs=2)
    size = whole.shrunk(0.5)
    assert whole.steps(size) == 10 * (360 // 16) + 2 * (120 // 16)
    assert whole.epochs_without(size) == round(whole.steps(size) / 7)


@given(wholes, st.floats(5, 5_000))
def test_the_pairs_fit_into_the_time(whole, seconds):
    pairs = choose_pairs(whole, PACE, seconds)
    assert sum(PACE.seconds(whole, size) for size, _ in pairs) <= seconds
    assert bool(pairs) == (least_seconds(whole, PACE) <= seconds)


def test_more_time_is_larger_sizes_and_then_more_seeds():
    whole = Whole(labelled=640, pool=0, classes=4, batch_size=16, epochs=10)
    largest = [choose_pairs(whole, PACE, seconds)[-1] for seconds in (35, 45, 150, 10_000)]
    assert [size.labelled for size, _ in largest] == sorted(size.labelled for size, _ in largest)
    assert largest[0][0].labelled < largest[-1][0].labelled == 640
    assert [seed for _, seed in largest] == [1, 1, 4, 4]


def test_sizes_double_and_end_with_the_share():
    whole = Whole(labelled=8_000, pool=0, classes=4, batch_size=16, epochs=10)
    assert [size.labelled for size in ladder(whole, 0.5)] == [1_000, 2_000, 4_000]
    assert len(ladder(whole, whole.fewest / 8_000)) == 1


@pytest.mark.parametrize("epochs", [1, 10, 1_000])
def test_the_smallest_run_makes_some_steps(epochs):
    whole = Whole(labelled=100_000, pool=0, classes=4, batch_size=16, epochs=epochs)
    assert whole.steps(whole.shrunk(0.0)) >= 100
