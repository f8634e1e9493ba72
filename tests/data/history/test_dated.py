import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.data.history.dated import TimeConfig, cut_by_time, from_sets


def dated(make_images, time, **changes):
    return make_images(n=len(time), columns={"time": np.asarray(time), "camera": np.arange(len(time)) // 5}, **changes)


def totals(history):
    return [sum(map(len, step.values())) for step in history.steps]


def test_every_value_is_a_step_and_the_largest_is_the_newest(make_images):
    images = dated(make_images, [2019, 2021, 2020] * 20)
    history = cut_by_time({"train": images}, TimeConfig(), name="toy")
    assert history.names == ("time 2019", "time 2020", "time 2021")
    assert [{split: len(part) for split, part in step.items()} for step in history.steps] == [
        {"train": 16, "val": 4}, {"train": 16, "val": 4}, {"train": 8, "val": 2, "test": 10},
    ]  # fmt: skip
    for year, step in zip((2019, 2020, 2021), history.steps, strict=True):
        assert all(set(part.columns["time"]) == {year} for part in step.values())
    assert sorted(np.concatenate([part.ids for step in history.steps for part in step.values()])) == sorted(images.ids)


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.integers(0, 30), min_size=12, max_size=60), steps=st.integers(2, 6))
def test_steps_are_contiguous_about_equal_and_share_no_value(values, steps):
    from modelheir.data.history.dated import _starts

    distinct, counts = np.unique(np.array(values), return_counts=True)
    config = TimeConfig(steps=steps)
    if steps > len(distinct):
        with pytest.raises(InputError, match=f"has {len(distinct)} values, fewer than the {steps} steps"):
            _starts(distinct, counts, config, "toy")
        return
    starts = _starts(distinct, counts, config, "toy")
    sizes = np.bincount(np.searchsorted(starts, values, side="right"), minlength=steps)
    assert len(sizes) == steps
    assert (sizes > 0).all()
    assert (np.diff(starts) > 0).all()
    if counts.max() == 1 and len(values) == len(distinct):
        assert sizes.max() - sizes.min() <= 2


def test_cuts_are_values_at_which_steps_begin(make_images):
    images = dated(make_images, np.repeat(np.arange(10), 10))
    history = cut_by_time({"train": images}, TimeConfig(cuts=(4, 8.5)), name="toy")
    assert history.names == ("time 0 to 3", "time 4 to 8", "time 9")
    assert totals(history) == [40, 50, 10]


def test_dates_may_be_text(make_images):
    time = np.array(["2020-01-05", "2020-03-01", "2021-02-01"])[np.arange(60) % 3]
    history = cut_by_time({"train": dated(make_images, time)}, TimeConfig(cuts=("2021-01-01",)), name="toy")
    assert history.names == ("time 2020-01-05 to 2020-03-01", "time 2021-02-01")
    assert totals(history) == [40, 20]


def test_given_splits_are_kept(make_images):
    time = np.arange(60) % 2
    train, test = dated(make_images, time), dated(make_images, time, ids=np.array([f"t{i}" for i in range(60)]))
    history = cut_by_time({"train": train, "test": test}, TimeConfig(), name="toy")
    assert set(history.newest["test"].ids) == set(test.ids[time == 1])
    assert "test" not in history.steps[0]
    every = cut_by_time({"train": train, "test": test}, TimeConfig(test="every"), name="toy")
    assert set(every.steps[0]["test"].ids) == set(test.ids[time == 0])


def test_every_step_after_the_first_can_have_a_test_split(make_images):
    history = cut_by_time({"train": dated(make_images, np.arange(60) % 3)}, TimeConfig(test="every"), name="toy")
    assert [list(step) for step in history.steps] == [
        ["train", "val"],
        ["train", "val", "test"],
        ["train", "val", "test"],
    ]


def test_settings_of_splits_count(make_images):
    images = dated(make_images, np.arange(120) % 2)

    def newest(seed=0, keep_together="", **changes):
        config = TimeConfig(**changes)
        return cut_by_time({"train": images}, config, name="toy", seed=seed, keep_together=keep_together).newest

    plain = newest()
    assert len(newest(test_fraction=0.2)["test"]) == 12
    assert len(newest(val_fraction=0.4)["val"]) == 12
    assert set(newest(seed=1)["test"].ids) != set(plain["test"].ids)
    together = newest(keep_together="camera")
    cameras = [set(part.columns["camera"]) for part in together.values()]
    assert not cameras[0] & cameras[1]
    assert not cameras[1] & cameras[2]


def test_several_sets_are_matched_by_the_names_of_their_classes(make_images):
    old = make_images(n=30, classes=3)
    newest = dataclasses.replace(make_images(n=40, classes=2, seed=1), classes=("c2", "new"))
    history = from_sets([{"train": old}, {"train": newest}], TimeConfig(), names=["a", "b"], name="toy")
    assert history.classes == ("c2", "new", "c0", "c1")
    labels = {
        name: label for part in history.steps[0].values() for name, label in zip(part.ids, part.labels, strict=True)
    }
    assert [labels[f"0/toy/{row:03d}"] for row in range(3)] == [2, 3, 0]
    assert set(np.concatenate([part.labels for part in history.newest.values()])) == {0, 1}
    assert totals(history) == [30, 40]


def test_sets_that_share_no_class_are_refused(make_images):
    other = dataclasses.replace(make_images(n=30), classes=("x", "y", "z"))
    with pytest.raises(InputError, match="b and a share no class name"):
        from_sets([{"train": make_images(n=30)}, {"train": other}], TimeConfig(), names=["a", "b"], name="toy")


def test_unlabelled_splits_are_left_aside(make_images):
    sets = [{"train": make_images(n=30), "unlabelled": make_images(n=9)} for _ in range(2)]
    assert totals(from_sets(sets, TimeConfig(), names=["a", "b"], name="toy")) == [30, 30]


@pytest.mark.parametrize(
    ("time", "settings", "message"),
    [
        ([1] * 30, {}, "there is one step alone"),
        ([1, 2] * 15, {"column": "tme"}, r"unknown column .* 'tme'\. Did you mean 'time'"),
        ([1, 2] * 15, {"steps": 3}, "has 2 values, fewer than the 3 steps"),
        (np.arange(60), {}, "time has 60 values, each of which would be a step"),
        ([1.0, 2.0, np.nan] * 10, {}, "10 images have no time, the first is 'toy/002'"),
        (["a", "b", ""] * 10, {}, "10 images have no time"),
        ([1, 2] * 15, {"cuts": (2,), "steps": 2}, "two ways to say the same"),
        ([1, 2] * 15, {"cuts": (3, 2)}, "must rise"),
        ([1, 2] * 15, {"cuts": ("2",)}, "must be numbers, as time of toy is"),
        ([1, 2] * 15, {"cuts": (2, 5)}, "no image has a time between the cuts before step 2"),
        ([1, 2] * 15, {"val_fraction": 0.0}, "the val split of step 0 .* is empty"),
        ([1, 2] * 15, {"test_fraction": 1.5}, "test_fraction = 1.5: must be from 0 to 1"),
    ],
)
def test_mistakes_are_said(make_images, time, settings, message):
    with pytest.raises(InputError, match=message):
        cut_by_time({"train": dated(make_images, time)}, TimeConfig(**settings), name="toy")


def test_a_step_needs_images_to_train_on(make_images):
    train = dated(make_images, [1] * 30)
    test = dated(make_images, [2] * 30, ids=np.array([f"t{i}" for i in range(30)]))
    with pytest.raises(InputError, match=r"step 1 \(time 2\) has no training image"):
        cut_by_time({"train": train, "test": test}, TimeConfig(), name="toy")
