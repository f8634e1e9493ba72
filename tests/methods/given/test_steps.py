"""Steps of time: where they are cut, what of them a stage sees, and what is refused."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given as draws
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.data.images import ArrayPixels, ImageSet
from modelheir.methods.given.steps import cut_steps, data_of_steps, steps_of_sources


def images(values, name="set", labels=None, column="time"):
    n = len(values)
    labels = np.arange(n) % 2 if labels is None else np.array(labels)
    pixels = ArrayPixels(np.zeros((n, 4, 4, 3), np.uint8))
    ids = np.array([f"{name}/{number}" for number in range(n)])
    return ImageSet(name, ("a", "b"), ids, labels, pixels, np.arange(n), {column: np.array(values)})


def splits(values, **settings):
    return {name: images(values, name, **settings) for name in ("train", "val", "test")}


def drawn(values, seed):
    """Return splits whose images differ."""
    generator = np.random.default_rng(seed)
    found = splits(values)
    return {
        name: dataclasses.replace(
            one, pixels=ArrayPixels(generator.integers(0, 256, (len(one), 4, 4, 3), dtype=np.uint8))
        )
        for name, one in found.items()
    }


def test_each_value_is_a_step_oldest_first():
    steps = cut_steps(splits(["2024", "2022", "2023", "2022"]), "time")
    assert steps.names == ("time 2022", "time 2023", "time 2024")
    assert [part["train"].ids.tolist() for part in steps.steps] == [["train/1", "train/3"], ["train/2"], ["train/0"]]
    assert steps.steps[-1]["test"].ids.tolist() == ["test/0"]


def test_numbers_sort_as_numbers():
    assert cut_steps(splits([10, 9, 100]), "time").names == ("time 9", "time 10", "time 100")


@draws(st.lists(st.integers(0, 40), min_size=8, max_size=60), st.integers(2, 6))
def test_cuts_hold_everything_once_in_order_and_are_even(values, count):
    distinct = len(set(values))
    if distinct < count:
        with pytest.raises(InputError, match=f"has {distinct} values, fewer than the {count} steps asked for"):
            cut_steps(splits(values), "time", count)
        return
    steps = cut_steps(splits(values), "time", count)
    found = [part["train"].columns["time"] for part in steps.steps]
    assert sorted(values) == sorted(value for part in found for value in part.tolist())
    assert all(before.max() < after.min() for before, after in itertools.pairwise(found))
    assert [sorted(part["val"].columns["time"]) for part in steps.steps] == [sorted(part) for part in found]
    assert sorted(steps.newest["test"].columns["time"]) == sorted(found[-1])


def test_distinct_values_are_cut_into_equal_parts():
    steps = cut_steps(splits(list(range(100))), "time", 4)
    assert [len(part["train"]) for part in steps.steps] == [25, 25, 25, 25]
    assert steps.names == ("time 0 to 24", "time 25 to 49", "time 50 to 74", "time 75 to 99")


def test_many_values_are_five_steps():
    assert len(cut_steps(splits(list(range(100))), "time")) == 5


def test_unlabelled_images_are_left_out():
    steps = cut_steps(splits([1, 1, 2, 2], labels=[0, -1, 1, 0]), "time")
    assert [len(part["train"]) for part in steps.steps] == [1, 2]


@pytest.mark.parametrize(
    ("values", "column", "message"),
    [
        ([1, 2], "tima", "has no column 'tima' that says when an image was taken. Did you mean 'time'"),
        (["2020", "", "2021"], "time", "1 images have no time, the first is 'train/1'"),
        ([1.0, float("nan"), 2.0], "time", "1 images have no time"),
        ([1, 1, 1], "time", "there is one step alone, and a history needs an older one"),
    ],
)
def test_what_is_no_time_is_refused(values, column, message):
    with pytest.raises(InputError, match=message):
        cut_steps(splits(values), column)


def test_a_newest_step_without_reporting_images_is_named():
    given = {**splits([1, 1, 2]), "test": images([1, 1], "test")}
    with pytest.raises(
        InputError, match=r"the test split of step 1 \(time 2\) is empty: give more images of that time"
    ):
        cut_steps(given, "time")


def test_reporting_images_of_earlier_steps_are_kept_where_there_are_any():
    given = {**splits([1, 2, 3]), "test": images([1, 3, 3], "test")}
    steps = cut_steps(given, "time").steps
    assert [step["test"].ids.tolist() if "test" in step else [] for step in steps] == [
        ["test/0"],
        [],
        ["test/1", "test/2"],
    ]


def test_earlier_reporting_images_are_a_split_of_their_own(world):
    known = world.given().data
    past = [open_splits(f"synthetic:n=60,classes=3,size=8,seed={seed}", InputConfig()) for seed in (8, 9)]
    for sources, tested in ((past, [0, 1]), ([past[0], {**past[1], "test": past[1]["test"].subset([])}], [0])):
        steps = steps_of_sources(sources, known.splits)
        found = data_of_steps(known, steps, [2], select=[2])
        expected = [one for step in tested for one in steps.steps[step]["test"].ids]
        assert found.splits["test_earlier"].ids.tolist() == expected
        assert sorted(set(found.splits["test_earlier"].columns["step"])) == tested
        assert list(found.evaluation()) == ["val", "test", "test_earlier"]
    assert list(known.evaluation()) == ["val", "test"]


def test_the_past_needs_no_reporting_images():
    assert len(cut_steps({**splits([1, 1, 2]), "test": images([2], "test")}, "time")) == 2


def test_sources_are_steps_and_equal_ids_are_kept_apart():
    steps = steps_of_sources([drawn([1, 2], 0)], drawn([3, 4], 1))
    assert len(steps) == 2
    assert steps.steps[0]["train"].ids.tolist() == ["step1/train/0", "step1/train/1"]
    assert steps.steps[1]["train"].ids.tolist() == ["train/0", "train/1"]  # the newest's stay


def test_the_past_holds_no_image_that_the_newest_is_evaluated_on(caplog):
    past = splits([1, 2, 3])
    newest = splits([4, 5, 6])
    marked = np.arange(3 * 48, dtype=np.uint8).reshape(3, 4, 4, 3)
    past["train"] = dataclasses.replace(past["train"], pixels=ArrayPixels(marked))
    newest = {
        name: dataclasses.replace(one, pixels=ArrayPixels(marked[[0, 0, 0]] if name == "test" else marked + 100))
        for name, one in newest.items()
    }
    steps = steps_of_sources([past], newest)
    assert steps.steps[0]["train"].ids.tolist() == ["step1/train/1", "step1/train/2"]
    assert (
        "--history train: 1 of 3 images are also in the data (1 of test; such as train/0) and are left out"
        in caplog.text
    )


def test_data_of_steps_trains_chooses_and_reports_on_what_is_asked(world):
    known = world.given().data
    steps = steps_of_sources([open_splits("synthetic:n=60,classes=3,size=8,seed=9", InputConfig())], known.splits)
    joined = data_of_steps(known, steps, [0, 1], select=[0], weights=(0.5, 1.0)).splits
    past, newest = steps.steps
    assert joined["train"].ids.tolist() == [*past["train"].ids, *newest["train"].ids]
    assert joined["val"].ids.tolist() == past["val"].ids.tolist()
    assert joined["test"] is newest["test"]
    weights = [0.5] * len(past["train"]) + [1.0] * len(newest["train"])
    assert joined["train"].columns["weight"].tolist() == weights


def test_replay_draws_earlier_images_even_over_classes(world):
    known = world.given().data
    steps = steps_of_sources([open_splits("synthetic:n=90,classes=3,size=8,seed=9", InputConfig())], known.splits)
    own, found = steps.newest["train"], data_of_steps(known, steps, [1], select=[1], replay=0.2).splits["train"]
    kept = found.subset(~np.isin(found.ids, own.ids))
    assert len(kept) == round(0.2 * len(own))
    assert np.ptp(np.bincount(kept.labels, minlength=3)) <= 1
    assert set(kept.ids) <= set(steps.steps[0]["train"].ids)
    again = data_of_steps(known, steps, [1], select=[1], replay=0.2).splits["train"]
    assert again.ids.tolist() == found.ids.tolist()
