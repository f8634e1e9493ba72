import dataclasses

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.data import open_history
from modelheir.data.history.dated import TimeConfig

SEQUENCE = """
data: synthetic:n=120,classes=4,size=8
shifts: rotation:corruption:label_flip
sizes: [24, 16, 24]
test_size: 8
"""


def sizes(history):
    return [{split: len(images) for split, images in step.items()} for step in history.steps]


def test_digits_are_a_history_by_writer(config):
    history = open_history("digits", config)
    assert (len(history), history.names[0], history.names[-1]) == (14, "writer 0", "writer 13")
    assert sum(sum(step.values()) for step in sizes(history)) == 1797
    assert list(history.newest) == ["train", "val", "test"]
    assert [list(step) for step in history.steps[:-1]] == [["train", "val"]] * 13
    for number, step in enumerate(history.steps):
        assert all(set(images.columns["writer"]) == {number} for images in step.values())


def test_time_says_how_images_are_cut(config):
    history = open_history("digits", config, time=TimeConfig(steps=3, val_fraction=0.5))
    assert history.names == ("time 0 to 598", "time 599 to 1197", "time 1198 to 1796")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sequence.yaml"
    path.write_text(SEQUENCE.replace("[24, 16, 24]", "[24, 16, 24, 16]"))
    return path


def test_a_file_describes_a_sequence(config, file):
    history = open_history(f"sequence:{file}", config)
    assert history.names == ("source", "rotation", "corruption", "label_flip")
    found = sizes(history)
    assert [step["train"] + step["val"] for step in found] == [24, 16, 24, 16]
    assert found[-1]["test"] == 8
    bases = {split: set(history.newest[split].columns["base"]) for split in history.newest}
    assert not bases["test"] & (bases["train"] | bases["val"])


def test_mode_and_seed_can_follow_the_file(config, file):
    one, other, compat = (
        open_history(f"sequence:{file}{rest}", config) for rest in ("", ",seed=2", ",mode=compat,seed=1007")
    )
    assert set(one.newest["train"].ids) != set(other.newest["train"].ids)
    assert not one.settings
    assert compat.settings["network.std"] == (1 / 255,) * 3


def test_test_images_of_the_data_are_kept_and_val_joins_train(config, tmp_path, save):
    for split, count in (("train", 6), ("val", 4), ("test", 3)):
        for name in ("cat", "dog"):
            for i in range(count):
                save(tmp_path / "set" / split / name / f"{i}.png", seed=i)
    path = tmp_path / "s.yaml"
    path.write_text(f"data: folder:{tmp_path / 'set'}\nshifts: none\nsizes: [10, 10]\ntest_size: 6\n")
    history = open_history(f"sequence:{path}", config)
    base = np.concatenate([images.columns["base"] for step in history.steps for images in step.values()])
    assert len(set(base)) == 26
    assert {name.split("/")[0] for name in history.newest["test"].columns["base"]} == {"test"}


def test_a_list_of_data_sets_is_oldest_first(config, tmp_path):
    specs = [f"synthetic:n=60,classes=3,size=8,seed={seed}" for seed in range(3)]
    history = open_history(specs, config)
    assert history.names == tuple(specs)
    path = tmp_path / "s.yaml"
    path.write_text("data:\n" + "".join(f"  - {spec}\n" for spec in specs) + "val_fraction: 0.2\n")
    assert sizes(open_history(f"sequence:{path}", config)) == sizes(history)
    assert sizes(history)[-1] == {"train": 24, "val": 6, "test": 30}


def test_settings_of_reading_count(config):
    def opened(spec="digits", **changes):
        return open_history(spec, dataclasses.replace(config, **changes), time=TimeConfig("writer", steps=3))

    plain = opened()
    assert set(opened(split_seed=1).newest["test"].ids) != set(plain.newest["test"].ids)
    assert opened(train_classes=("3", "7")).classes == ("3", "7")
    few = opened(train_per_class=2)
    assert [len(step["train"]) for step in few.steps] == [20, 20, 20]
    assert sizes(few)[-1]["test"] == sizes(plain)[-1]["test"]
    assert [len(step["train"]) for step in opened(train_fraction=0.5).steps] < [
        len(step["train"]) for step in plain.steps
    ]
    noisy = opened(label_noise=0.25)
    for clean, wrong in zip(plain.steps, noisy.steps, strict=True):
        count = len(clean["train"])
        assert (clean["train"].labels != wrong["train"].labels).sum() == round(0.25 * count)
        assert (clean["val"].labels == wrong["val"].labels).all()
    together = opened(keep_together="writer").newest
    assert not set(together["train"].columns["writer"]) & set(together["test"].columns["writer"])


def test_images_stay_together_in_a_list_too(config):
    specs = ["synthetic:n=60,classes=3,size=8", "synthetic:n=60,classes=3,size=8,seed=1"]
    with pytest.raises(InputError, match=r"unknown column in inputs.keep_together, .* 'patient'"):
        open_history(specs, dataclasses.replace(config, keep_together="patient"))


def test_time_is_said_once(config, file):
    with pytest.raises(InputError, match="the file says how images are cut into steps"):
        open_history(f"sequence:{file}", config, time=TimeConfig())
    with pytest.raises(InputError, match="steps cuts one data set into steps, and here each data set is a step"):
        open_history(["digits", "digits"], config, time=TimeConfig(steps=2))


def test_a_file_cuts_data_by_a_column(config, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("data: digits\nsteps: 4\n")
    history = open_history(f"sequence:{path}", config)
    assert history.names == ("writer 0 to 2", "writer 3 to 6", "writer 7 to 9", "writer 10 to 13")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shifts: rotation\nsizes: [8, 8]", "data must name a data set"),
        ("data: [a, b]\nshifts: rotation\nsizes: [8, 8]", "shifts change images of one data set"),
        ("data: digits\nshifts: rotation", "sizes are missing"),
        ("data: digits\nshifts: rotatoin\nsizes: [100, 100]", "unknown shift 'rotatoin'. Did you mean 'rotation'"),
        ("data: digits\nshifts: rotation\nsizes: [100, 100]\nsed: 3", "unknown setting 'sed'. Did you mean 'seed'"),
        ("data: digits\nshift: rotation\nsizes: [100, 100]", "unknown setting 'shift'"),
        ("data: digits\nshifts: rotation\nsizes: [100, 100]\nmode: compact", "Did you mean 'compat'"),
        ("data: [digits]", "needs two or more"),
    ],
)
def test_mistakes_in_a_file_are_said(config, tmp_path, text, message):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        open_history(f"sequence:{path}", config)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sequence:", "names no file"),
        ("sequence:gone.yaml", "sequence:gone.yaml: there is no such file"),
        ("synthetic:n=64,classes=4,size=8", "unknown column .*'time'. Known: domain"),
    ],
)
def test_mistakes_in_an_address_are_said(config, spec, message):
    with pytest.raises(InputError, match=message):
        open_history(spec, config)


@pytest.fixture
def portraits(tmp_path, save):
    """The layout of Portraits: eight decades of twenty tiny images, half of them of either class."""
    for time in range(8):
        for i in range(20):
            save(tmp_path / "yearbook" / f"time{time}" / str(i % 2) / f"{1930 + 10 * time}_{i}.png", seed=i)
    return tmp_path / "yearbook"


def test_portraits_are_cut_by_decade(config, portraits):
    history = open_history(f"portraits:{portraits}", config)
    assert (history.names[0], history.names[-1]) == ("decade 1930s", "decade 2000 on")
    assert sizes(history) == [{"train": 16, "val": 4}] * 7 + [{"train": 8, "val": 2, "test": 10}]
    assert history.newest["train"].array.shape == (8, 32, 32, 3)
    assert not history.settings
    other = open_history(f"portraits:{portraits},size=8", config, time=TimeConfig(column="time", steps=3))
    assert other.newest["train"].array.shape == (24, 8, 8, 3)
    assert other.names == ("time 0 to 2", "time 3 to 4", "time 5 to 7")


def test_portraits_in_compat_mode_have_one_split(config, portraits):
    history = open_history(f"portraits:{portraits},mode=compat,size=8", config)
    assert sizes(history) == [{"train": 16, "val": 4}] * 7 + [{"train": 8, "val": 2, "test": 10}]
    assert history.settings["network.std"][0] > 50
    with pytest.raises(InputError, match="mode=compat has its own steps and splits, and settings of time"):
        open_history(f"portraits:{portraits},mode=compat", config, time=TimeConfig())
    with pytest.raises(InputError, match=r"unknown mode 'compact'\. Did you mean 'compat'"):
        open_history(f"portraits:{portraits},mode=compact", config)


def test_options_of_a_sequence_are_known(config, file):
    with pytest.raises(InputError, match=r"unknown option of sequence 'sede'\. Did you mean 'seed'"):
        open_history(f"sequence:{file},sede=3", config)


def test_a_history_of_unlabelled_images_is_refused(config, tmp_path, save):
    for i in range(4):
        save(tmp_path / "pool" / f"{i}.png")
    with pytest.raises(InputError, match="there is no training split"):
        open_history(f"folder:{tmp_path / 'pool'}", dataclasses.replace(config))


def test_a_sequence_whose_file_is_not_there_is_named(config, tmp_path):
    with pytest.raises(InputError, match=r"^sequence:.*none\.yaml: there is no such file"):
        open_history(f"sequence:{tmp_path / 'none.yaml'}", config)
