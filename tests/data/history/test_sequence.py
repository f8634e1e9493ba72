import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.history.sequence import COMPAT_SETTINGS, SequenceConfig, make_sequence
from modelheir.data.history.superclasses import CIFAR100
from modelheir.data.images import ArrayPixels, ImageSet
from modelheir.data.shifts import blocks
from modelheir.data.streams.images import make_stream

FINE = tuple(sorted(name for finer in CIFAR100.values() for name in finer))
RCL = "rotation:corruption:label_flip"


def base(split, n, classes=10, size=2):
    """Images that tell who they are: the number is in the pixels."""
    names = FINE if classes == 100 else tuple(f"c{i}" for i in range(classes))
    number = np.arange(n)
    pixels = np.zeros((n, size, size, 3), np.uint8)
    pixels[:] = np.stack([100 + number // 10_000, 100 + number // 100 % 100, 100 + number % 100], 1)[:, None, None]
    return ImageSet(
        name=f"toy/{split}", classes=names, ids=np.array([f"{split}/{i:05d}" for i in number]),
        labels=number % classes, pixels=ArrayPixels(pixels), rows=number, mirror=True,
    )  # fmt: skip


def sequence(shifts, sizes, test_size=20, classes=10, n=2000, size=2, **settings):
    config = SequenceConfig(shifts, sizes, test_size, **settings)
    return make_sequence(base("train", n, classes, size), base("test", n // 5, classes, size), config, name="toy")


def counts(history):
    return [{split: len(images) for split, images in step.items()} for step in history.steps]


def bases(images):
    return set(images.columns["base"].tolist())


@pytest.fixture(scope="module")
def whole():
    """The published sequence RCL on as many images as CIFAR-10 has, in both modes."""
    return {
        mode: sequence(RCL, (6000, 4000, 6000, 4000), 5000, n=50_000, size=1, mode=mode) for mode in ("fixed", "compat")
    }


@pytest.mark.parametrize("mode", ["fixed", "compat"])
def test_published_counts_of_cifar10(whole, mode):
    history = whole[mode]
    assert counts(history) == [
        {"train": 4800, "val": 1200}, {"train": 3200, "val": 800}, {"train": 4800, "val": 1200},
        {"train": 3200, "val": 800, "test": 5000},
    ]  # fmt: skip
    for step in history.steps:
        for split, images in step.items():
            assert set(np.bincount(images.labels).tolist()) == {len(images) // 10}, split
        assert not bases(step["train"]) & bases(step["val"])
    assert all(name.startswith("test/") for name in bases(history.newest["test"]))


def shared(history, split):
    older = set().union(*(bases(step["train"]) for step in history.steps[:-1]))
    return np.mean([name in older for name in history.newest[split].columns["base"]])


def test_steps_share_no_image_in_fixed_and_a_quarter_in_compat(whole):
    every = [name for step in whole["fixed"].steps for images in step.values() for name in bases(images)]
    assert len(every) == len(set(every)) == 25_000
    expected = 1 - (1 - 4800 / 50_000) ** 2 * (1 - 3200 / 50_000)
    assert abs(expected - 0.235) < 0.001
    assert abs(shared(whole["compat"], "train") - expected) < 4 * (expected / 3200) ** 0.5
    assert abs(shared(whole["compat"], "val") - expected) < 4 * (expected / 800) ** 0.5


@pytest.mark.parametrize("mode", ["fixed", "compat"])
def test_the_baseline_is_a_part_of_the_oracle(whole, mode):
    oracle = sequence(RCL, (6000, 4000, 6000, 20_000), 5000, n=50_000, size=1, mode=mode)
    assert counts(oracle)[-1] == {"train": 16_000, "val": 4000, "test": 5000}
    few = bases(whole[mode].newest["train"]) | bases(whole[mode].newest["val"])
    assert few < bases(oracle.newest["train"])
    assert (oracle.newest["test"].ids == whole[mode].newest["test"].ids).all()
    assert (oracle.steps[0]["train"].ids == whole[mode].steps[0]["train"].ids).all()


@pytest.mark.parametrize(
    ("mode", "sizes", "expected"),
    [
        ("fixed", (6000, 4000, 6000, 4000), [(4800, 1200), (3160, 840), (4800, 1200), (3160, 840)]),
        ("compat", (6000, 4000, 6000, 4000), [(12_000, 3000), (5320, 1400), (6400, 1600), (3160, 840)]),
        ("compat", (6000, 4000, 6000, 20_000), [(12_000, 3000), (5320, 1400), (6400, 1600), (15_980, 4020)]),
        ("fixed", (6000, 4000, 6000, 19_960), [(4800, 1200), (3160, 840), (4800, 1200), (15_940, 4020)]),
    ],
)
def test_published_counts_of_sub_populations(mode, sizes, expected):
    history = sequence("subpop:subpop:subpop", sizes, 5000, classes=100, n=50_000, size=1, mode=mode)
    found = counts(history)
    assert [(step["train"], step["val"]) for step in found] == expected
    assert found[-1]["test"] == 5000
    assert history.classes == tuple(CIFAR100)
    place = {name: spot for finer in CIFAR100.values() for spot, name in enumerate(finer)}
    windows = []
    for step in history.steps:
        fine = np.array(FINE)[[int(name[-5:]) % 100 for name in step["train"].columns["base"]]]
        windows.append(sorted({place[name] for name in fine}))
        own = {name: number for number, finer in enumerate(CIFAR100.values()) for name in finer}
        assert step["train"].labels.tolist() == [own[name] for name in fine]
    if mode == "fixed":
        assert windows == [[0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    else:
        assert windows == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4]]


def test_an_oracle_of_sub_populations_that_does_not_fit_names_a_class():
    with pytest.raises(InputError, match=r"asks for 501 images of 'beaver', and there are 500 .*19 others"):
        sequence("subpop:subpop:subpop", (6000, 4000, 6000, 20_000), 5000, classes=100, n=50_000, size=1)


def test_cifar100_has_its_first_two_finer_classes_without_subpop():
    history = sequence("rotation", (400, 400), 200, classes=100, n=10_000)
    assert {int(name[-5:]) % 100 for name in history.newest["train"].columns["base"]} == {
        FINE.index(name) for finer in CIFAR100.values() for name in finer[:2]
    }


def test_what_each_step_looks_like():
    history = sequence(RCL, (200, 100, 200, 100), size=4)
    train, test = base("train", 2000, size=4), base("test", 400, size=4)
    row = {name: (images, place) for images in (train, test) for place, name in enumerate(images.ids)}
    for number, step in enumerate(history.steps):
        for split, images in step.items():
            original = np.stack([row[name][0].array[row[name][1]] for name in images.columns["base"]])
            labels = np.array([row[name][1] % 10 for name in images.columns["base"]])
            turned = blocks.rotate(original, np.full(len(images), 30.0 if number else 0.0)).astype(int)
            noise = np.abs(images.array.astype(int) - turned)
            assert noise.max() == (3 if number >= 2 else 0), (number, split)
            assert images.labels.tolist() == (9 - labels if number == 3 else labels).tolist()
            assert images.columns["original"].tolist() == [f"c{label}" for label in labels]
            assert images.ids.tolist() == [f"{number}/{name}" for name in images.columns["base"]]
    draws = [step["train"].array.astype(int).tobytes() for step in history.steps]
    assert len(set(draws)) == 4


def test_shifts_by_class_go_by_the_original_class():
    history = sequence("label_flip,recolor_cond", (200, 100))
    images = history.newest["train"]
    original = np.array([int(name[1:]) for name in images.columns["original"]])
    number = np.array([int(name[-5:]) for name in images.columns["base"]])
    before = np.stack([100 + number // 10_000, 100 + number // 100 % 100, 100 + number % 100], 1)
    assert (images.array[:, 0, 0] - before == 30 * np.eye(3)[original % 3]).all()
    assert images.labels.tolist() == (9 - original).tolist()


def same(one, other):
    return all(
        (one[split].ids == other[split].ids).all()
        and (one[split].labels == other[split].labels).all()
        and (one[split].array == other[split].array).all()
        for split in one
    )


@settings(deadline=None, max_examples=8)
@given(names=st.permutations(["rotation", "corruption", "label_flip", "fog@2"]))
def test_the_order_within_a_step_changes_nothing(names):
    one = sequence("rotation,corruption,label_flip,fog@2", (40, 40), size=4)
    other = sequence(",".join(names), (40, 40), size=4)
    assert same(one.newest, other.newest)


@pytest.mark.parametrize("mode", ["fixed", "compat"])
def test_the_order_of_steps_changes_those_between_and_not_the_end(mode):
    sizes = (40, 40, 40, 40)
    one, other = (sequence(text, sizes, size=4, mode=mode) for text in (RCL, "corruption:label_flip:rotation"))
    assert same(one.steps[0], other.steps[0])
    assert not same(one.steps[1], other.steps[1])
    assert not same(one.steps[2], other.steps[2])
    assert same(one.newest, other.newest)


def test_the_seed_counts_and_repeats():
    one, again, other = (sequence(RCL, (40, 40, 40, 40), size=4, seed=seed) for seed in (1, 1, 2))
    assert all(same(a, b) for a, b in zip(one.steps, again.steps, strict=True))
    assert bases(one.newest["train"]) != bases(other.newest["train"])


def test_compat_noise_lies_lower():
    fixed, compat = (sequence("corruption", (400, 400), size=8, mode=mode) for mode in ("fixed", "compat"))
    for history, mean in ((fixed, 0), (compat, -0.5)):
        images = history.newest["train"]
        number = np.array([int(name[-5:]) for name in images.columns["base"]])
        before = np.stack([100 + number // 10_000, 100 + number // 100 % 100, 100 + number % 100], 1)
        assert abs((images.array.astype(int) - before[:, None, None]).mean() - mean) < 0.03


def test_every_step_after_the_source_can_have_a_test_split():
    history = sequence(RCL, (40, 40, 40, 40), 60, test="every")
    assert [step.get("test", 0) for step in counts(history)] == [0, 60, 60, 60]
    tests = [name for step in history.steps[1:] for name in bases(step["test"])]
    assert len(set(tests)) == 180
    compat = sequence(RCL, (40, 40, 40, 40), 60, test="every", mode="compat")
    assert len(set().union(*(bases(step["test"]) for step in compat.steps[1:]))) < 180


def test_label_shift_moves_counts():
    history = sequence("label_shift:label_shift:label_shift", (200, 200, 200, 200), 100)
    found = [
        np.bincount(step["train"].labels).tolist() + np.bincount(step["val"].labels).tolist() for step in history.steps
    ]
    assert found[0] == [16] * 10 + [4] * 10
    assert found[1] == [11, 20] * 5 + [3, 6] * 5
    assert np.bincount(history.newest["test"].labels).tolist() == [1, 19] * 5


def test_groups_of_one_s_own_make_sub_populations():
    groups = {"low": ("c0", "c1", "c2"), "high": ("c9", "c8", "c7")}
    history = sequence("subpop", (60, 60), groups=groups)
    assert history.classes == ("low", "high")
    fine = [{int(name[-5:]) % 10 for name in step["train"].columns["base"]} for step in history.steps]
    assert fine == [{0, 1, 8, 9}, {0, 1, 2, 7, 8, 9}]
    with pytest.raises(InputError, match=r"step 2 is the 2\. with subpop, and 3 finer classes have 1"):
        sequence("subpop:subpop", (60, 60, 60), groups=groups)


def test_compat_says_how_a_network_sees_images():
    """Raw levels of 0 to 255, neither normalised nor augmented; in fixed mode the run's own settings count."""
    fixed, compat = (sequence("rotation", (40, 40), mode=mode) for mode in ("fixed", "compat"))
    assert fixed.settings == {}
    assert compat.settings == COMPAT_SETTINGS
    images = compat.newest["train"]
    batch = next(
        make_stream(
            images, config=InputConfig(workers=0, augment=compat.settings["inputs.augment"], crop_pad=1), batch_size=8,
            train=True, seed=0, device="cpu", shuffle=False,
        ).epoch(0)
    )  # fmt: skip
    mean, std = (torch.tensor(compat.settings[f"network.{name}"])[:, None, None] for name in ("mean", "std"))
    seen = (batch.inputs - mean) / std
    assert torch.allclose(seen, torch.from_numpy(images.array[:8]).permute(0, 3, 1, 2).float(), atol=1e-3)


def test_augmentation_reaches_the_data_in_fixed_mode():
    history = sequence("recolor", (40, 40), size=8)
    images = history.pool("train")
    stream = make_stream(
        images, config=InputConfig(workers=0, augment="crop_flip"), batch_size=16, train=True, seed=0, device="cpu",
        shuffle=False,
    )  # fmt: skip
    inputs = next(stream.epoch(0)).inputs
    plain = torch.from_numpy(images.array[:16]).permute(0, 3, 1, 2).float() / 255
    assert (inputs != plain).flatten(1).any(dim=1).sum() > 8
    assert not torch.equal(inputs, next(stream.epoch(1)).inputs)


def test_turned_images_are_not_known_to_keep_their_class_when_mirrored():
    assert sequence("recolor", (40, 40)).newest["train"].mirror
    for shift in ("rotation", "rotation_cond"):
        assert not any(images.mirror for step in sequence(shift, (40, 40)).steps for images in step.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", (40,)), "a sequence of one step has no history"),
        (("rotation", (40,)), "has 2 steps, the source among them, and sizes has 1"),
        (("rotation:fog", (40, 40)), "has 3 steps"),
        (("rotation", (40, 15)), "the 15 images of step 1 leave 1 for 'c0'"),
        (("rotation", (40, 0)), "sizes = 0: must be >= 1"),
        (
            ("rotation", (40, 3000)),
            "toy/train, with no image in two steps, asks for 304 images of 'c0', and there are 200",
        ),
        (("rotation", (40, 40), 600), "toy/test, .* asks for 60 images of 'c0', and there are 40"),
        (("label_shift:label_shift:label_shift:label_shift", (40,) * 5), "step 4: label_shift has come to 4"),
        (("subpop", (40, 40)), "step 1 is the 1. with subpop, and groups name no finer ones"),
    ],
)
def test_mistakes_are_said(arguments, message):
    with pytest.raises(InputError, match=message):
        sequence(*arguments)


def test_a_fourth_sub_population_is_refused():
    with pytest.raises(InputError, match=r"step 4 is the 4\. with subpop, and 5 finer classes have 3"):
        sequence("subpop:subpop:subpop:subpop", (400,) * 5, classes=100, n=5000)


def test_compat_asks_for_no_more_than_there_are_either():
    with pytest.raises(InputError, match="toy/train of one step asks for 300 images of 'c0', and there are 200"):
        sequence("rotation", (40, 3000), mode="compat")


def test_images_of_several_sizes_are_refused(make_images):
    class Odd:
        def read(self, row, name):
            return np.zeros((row + 1, 2, 3), np.uint8)

    train = dataclasses.replace(make_images(n=60), pixels=Odd())
    with pytest.raises(InputError, match="images of several sizes"):
        make_sequence(train, make_images(n=60), SequenceConfig("rotation", (12, 12), 6))


def test_unlabelled_images_are_left_out(make_images):
    labels = np.where(np.arange(90) % 2, np.arange(90) % 3, -1)
    train = make_images(n=90, labels=labels)
    history = make_sequence(train, make_images(n=60), SequenceConfig("none", (12, 12), 6))
    assert all((images.labels >= 0).all() for step in history.steps for images in step.values())
    assert {name for step in history.steps for name in bases(step["train"])} <= set(train.ids[labels >= 0])


def test_train_and_test_share_one_class_list(make_images):
    with pytest.raises(InputError, match="have other class lists"):
        make_sequence(make_images(classes=3), make_images(classes=4), SequenceConfig("none", (12, 12), 6))
