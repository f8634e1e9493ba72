import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.carving import carve, first_share, keep_classes
from modelheir.data.splits import open_splits


def test_missing_splits_are_carved_disjoint_stratified_and_repeatable(config):
    found = open_splits("synthetic:n=200,classes=5,size=4", config)
    assert list(found) == ["train", "val", "test"]
    assert {name: np.bincount(images.labels).tolist() for name, images in found.items()} == {
        "train": [28] * 5, "val": [4] * 5, "test": [8] * 5,
    }  # fmt: skip
    every = np.concatenate([images.ids for images in found.values()])
    assert len(set(every)) == 200
    again = open_splits("synthetic:n=200,classes=5,size=4", config)
    assert all((again[name].ids == found[name].ids).all() for name in found)
    other = open_splits("synthetic:n=200,classes=5,size=4", dataclasses.replace(config, split_seed=1))
    assert set(other["test"].ids) != set(found["test"].ids)


def test_given_splits_are_kept(tmp_path, save, config):
    for split, count in (("train", 6), ("val", 2)):
        for name in ("cat", "dog"):
            for i in range(count):
                save(tmp_path / split / name / f"{i}.png")
    found = open_splits(f"folder:{tmp_path}", config)
    assert [len(found[name]) for name in ("train", "val", "test")] == [10, 4, 2]
    assert all(name.startswith("train/") for name in found["test"].ids)


def test_carving_does_not_depend_on_the_order_of_files(make_images):
    images = make_images(n=30)
    order = np.random.default_rng(1).permutation(30)
    _, part = carve(images, 0.3, seed=0, name="val")
    _, shuffled = carve(images.subset(order), 0.3, seed=0, name="val")
    assert set(part.ids) == set(shuffled.ids)


def test_sizes_agree_with_scikit_learn(make_images):
    images = make_images(n=30)
    rest, part = carve(images, 0.3, seed=0, name="val")
    split = StratifiedShuffleSplit(1, test_size=0.3, random_state=0)
    train, test = next(split.split(np.zeros(30), images.labels))
    assert np.bincount(part.labels).tolist() == np.bincount(images.labels[test]).tolist()
    assert np.bincount(rest.labels).tolist() == np.bincount(images.labels[train]).tolist()


def test_small_classes_and_unlabelled_images(make_images):
    images = make_images(n=6, labels=np.array([0, 1, 1, -1, 2, 2]))
    rest, part = carve(images, 0.1, seed=0, name="val")
    assert sorted(part.labels.tolist()) == [1, 2]
    assert sorted(rest.labels.tolist()) == [-1, 0, 1, 2]


@settings(deadline=None, max_examples=25)
@given(st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 3))
def test_a_smaller_share_is_a_subset(small, large, seed):
    from modelheir.data.sources.small import open_synthetic

    images = open_synthetic("", {"n": "40", "size": "2"}, None)["train"]
    small, large = sorted((small, large))
    inner, outer = (set(first_share(images, f, seed=seed).ids) for f in (small, large))
    assert inner <= outer
    assert len(outer) == 4 * int(np.ceil(round(large * 10, 9)))


def test_shares_count_each_class(make_images):
    images = make_images(n=30)
    assert np.bincount(first_share(images, 0.5, seed=0).labels).tolist() == [5, 5, 5]
    assert np.bincount(first_share(images, 1.0, per_class=2, seed=0).labels).tolist() == [2, 2, 2]
    assert first_share(images, 1.0, seed=0) is images


def test_fraction_of_train_leaves_val_and_test_alone(config):
    whole = open_splits("digits", config)
    half = open_splits("digits", dataclasses.replace(config, train_fraction=0.5))
    assert (half["val"].ids == whole["val"].ids).all()
    assert (half["test"].ids == whole["test"].ids).all()
    assert set(half["train"].ids) < set(whole["train"].ids)


def test_classes_are_kept_in_every_split(make_images, config):
    kept = keep_classes(make_images(labels=np.array([0, 1, 2, -1] * 3)), ("c2", "c0"))
    assert kept.classes == ("c0", "c2")
    assert kept.labels.tolist() == [0, 1, -1] * 3
    found = open_splits("digits", dataclasses.replace(config, train_classes=("3", "8")))
    assert {images.classes for images in found.values()} == {("3", "8")}
    with pytest.raises(InputError, match="unknown class 'c9'"):
        keep_classes(make_images(), ("c9",))


def test_one_class_is_refused(tmp_path, save, config):
    save(tmp_path / "cat" / "a.png")
    with pytest.raises(InputError, match=r"there is only one class \(cat\)"):
        open_splits(f"folder:{tmp_path}", config)


def test_unlabelled_images_alone_open_only_for_prediction(tmp_path, save, config):
    save(tmp_path / "a.png")
    with pytest.raises(InputError, match="all images are unlabelled; training needs labels"):
        open_splits(f"folder:{tmp_path}", config)
    kept = dataclasses.replace(config, train_classes=("cat", "dog"))  # as a run that knows only these brings it
    found = open_splits(f"folder:{tmp_path}", kept, labelled=False)
    assert {name: images.ids.tolist() for name, images in found.items()} == {"unlabelled": ["a.png"]}


def test_an_empty_split_is_refused(config):
    with pytest.raises(InputError, match=r"the val split is empty; give one, or raise inputs.val_fraction"):
        open_splits("digits", dataclasses.replace(config, val_fraction=0.0))


def test_one_id_in_two_splits_is_refused(tmp_path, save, config):
    for name in "ab":
        save(tmp_path / f"{name}.png")
    (tmp_path / "train.txt").write_text("a.png 0\nb.png 1\n")
    (tmp_path / "val.txt").write_text("b.png 1\n")
    with pytest.raises(InputError, match=r"1 sample ids are in both train and val, the first is 'b.png'"):
        open_splits(f"list:{tmp_path / 'train.txt'},val={tmp_path / 'val.txt'}", config)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(-1, 2)), min_size=1, max_size=60),
    st.floats(0.05, 0.6),
    st.integers(0, 3),
)
def test_no_group_is_in_two_splits(rows, fraction, seed):
    from modelheir.data.images import ArrayPixels, ImageSet

    group, labels = (np.array(column) for column in zip(*rows, strict=True))
    for named in (group, np.array([f"patient {number}" for number in group])):
        images = ImageSet(
            name="toy",
            classes=("a", "b", "c"),
            ids=np.array([f"{i:02d}" for i in range(len(rows))]),
            labels=labels,
            pixels=ArrayPixels(np.zeros((len(rows), 1, 1, 3), np.uint8)),
            rows=np.arange(len(rows)),
            columns={"group": named},
        )
        left, test = carve(images, fraction, seed=seed, name="test", keep_together="group")
        train, val = carve(left, fraction, seed=seed, name="val", keep_together="group")
        found = [set(part.columns["group"]) for part in (train, val, test)]
        assert sum(map(len, found)) == len(set(named))
        assert len(train) + len(val) + len(test) == len(rows)
        mixed = np.random.default_rng(seed).permutation(len(rows))
        again = carve(images.subset(mixed), fraction, seed=seed, name="test", keep_together="group")[1]
        assert set(again.ids) == set(test.ids)


def test_whole_groups_are_carved_near_the_share_of_each_class(make_images):
    group = np.arange(300) // 15 * 3 + np.arange(300) % 3  # five images a group, all of one class, 20 groups a class
    images = make_images(n=300, columns={"group": group})
    rest, part = carve(images, 0.2, seed=0, name="test", keep_together="group")
    assert np.bincount(part.labels).tolist() == [20, 20, 20]
    assert np.bincount(rest.labels).tolist() == [80, 80, 80]
    assert not set(part.columns["group"]) & set(rest.columns["group"])
    _, other = carve(images, 0.2, seed=1, name="test", keep_together="group")
    assert set(other.columns["group"]) != set(part.columns["group"])
    _, apart = carve(images, 0.2, seed=0, name="test")  # a column alone, such as a sub-population, moves nothing
    assert len(set(apart.columns["group"])) > len(set(part.columns["group"]))
    with pytest.raises(InputError, match=r"unknown column in inputs.keep_together.*'groop'. Did you mean 'group'"):
        carve(images, 0.2, seed=0, name="test", keep_together="groop")
    with pytest.raises(InputError, match=r"'patient'\. Known: none\."):
        carve(dataclasses.replace(images, columns={}), 0.2, seed=0, name="test", keep_together="patient")


def test_an_image_without_a_group_is_a_group_of_its_own(make_images):
    for nothing, one in (("", "g"), (np.nan, 1.0)):
        images = make_images(n=33, columns={"group": np.array([nothing] * 30 + [one] * 3)})
        images = dataclasses.replace(images, labels=np.minimum(images.labels, np.arange(33) < 30))  # one: class 0
        _, part = carve(images, 0.3, seed=0, name="test", keep_together="group")
        alone = part.columns["group"] != one
        assert (part.labels[alone] == 1).sum() == 6
        assert 1 <= (part.labels[alone] == 0).sum() <= 4
        assert alone.sum() in (len(part), len(part) - 3)


def test_groups_of_a_manifest_stay_together(tmp_path, save, config):
    for i in range(24):
        save(tmp_path / f"{i}.png", seed=i)
    table = {"path": [f"{i}.png" for i in range(24)], "label": ["a", "b"] * 12, "group": [i // 4 for i in range(24)]}
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    config = dataclasses.replace(config, keep_together="group")
    found = open_splits(f"manifest:{tmp_path / 'm.parquet'}", dataclasses.replace(config, val_fraction=0.2))
    groups = [set(images.columns["group"].tolist()) for images in found.values()]
    assert [len(one) for one in groups] == [4, 1, 1]
    assert len(set().union(*groups)) == 6
    pq.write_table(pa.table({**table, "group": [0] * 24}), tmp_path / "m.parquet")
    with pytest.raises(InputError, match=r"the test split is empty \(no class has two values of group\)"):
        open_splits(f"manifest:{tmp_path / 'm.parquet'}", config)


def test_a_sequence_opens_as_splits_with_the_number_of_the_step(tmp_path):
    """A history made of shifts is read as any data: every step's images, and a column that says which step."""
    path = tmp_path / "sequence.yaml"
    path.write_text(
        "{data: 'synthetic:n=400,classes=4,size=8', shifts: 'rotation:recolor', sizes: [80, 40, 40], test_size: 20}"
    )
    found = open_splits(f"sequence:{path}", InputConfig())
    assert {name: sorted(set(images.columns["time"].tolist())) for name, images in found.items()} == {
        "train": [0, 1, 2],
        "val": [0, 1, 2],
        "test": [2],
    }
    assert [int((found["train"].columns["time"] == step).sum()) for step in range(3)] == [64, 32, 32]
    assert "weight" not in found["train"].columns


def test_a_sequence_in_compat_mode_says_what_a_run_must_be_given(tmp_path, caplog):
    path = tmp_path / "compat.yaml"
    text = "data: 'synthetic:n=400,classes=4,size=8'\nshifts: recolor\nsizes: [80, 40]\ntest_size: 20\n"
    path.write_text(text)
    open_splits(f"sequence:{path}", InputConfig())
    assert not caplog.text
    open_splits(f"sequence:{path},mode=compat", InputConfig())
    assert "--network.mean 0 0 0 --network.std 0.00392157 0.00392157 0.00392157" in caplog.text
    assert "--inputs.augment none" in caplog.text


def test_the_steps_of_a_sequence_are_reduced_once(config, tmp_path):
    file = tmp_path / "steps.yaml"
    file.write_text("data: digits\ncolumn: writer\n")
    whole, half = (
        open_splits(f"sequence:{file}", dataclasses.replace(config, train_fraction=share))["train"]
        for share in (1, 0.5)
    )
    assert len(half) == pytest.approx(len(whole) / 2, rel=0.05)  # rounded up in every class of every step
    noisy = open_splits(f"sequence:{file}", dataclasses.replace(config, label_noise=0.1))["train"]
    assert (noisy.labels != whole.labels).sum() == pytest.approx(0.1 * len(whole), rel=0.05)
