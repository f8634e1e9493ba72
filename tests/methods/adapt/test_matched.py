"""Images of older steps that stand for the newest ones, against loops over their pixels."""

import re

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods.adapt.builder import Builder
from modelheir.methods.adapt.joint import joint
from modelheir.methods.adapt.matched import matched_rows
from modelheir.methods.adapt.tuning import JointConfig, Tuning
from modelheir.methods.given.steps import steps_of_sources
from modelheir.objective.supervised import SupervisedConfig

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=40,classes=3,size=8,seed=9")
NET = {"model": "blocks_convnet", "kwargs": {"blocks": 1}}


@pytest.fixture
def build(world):
    def make(samples="nearest", keep=lambda step, images: images):
        given = world.given(inputs=InputConfig(augment="none"), **NET)
        past = [open_splits(one, InputConfig()) for one in PAST]
        past = [{**one, "train": keep(number, one["train"])} for number, one in enumerate(past)]
        history = steps_of_sources(past, given.data.splits)
        tuning = Tuning(joint=JointConfig(samples=samples, adjacent="none"))
        return Builder(given, history, tuning=tuning, supervised=SupervisedConfig(), suffix="")

    return make


def pixels(images):
    return np.stack([images.image(row) for row in range(len(images))]).reshape(len(images), -1).astype(float) / 255


def test_chains_of_nearest_images(build):
    made = build()
    found = matched_rows(made, "nearest")
    steps = [one["train"] for one in made.history.steps]
    vectors, labels = [pixels(one) for one in steps], [one.labels for one in steps]
    rows = np.arange(len(labels[2]))
    for number in (1, 0):
        chain = []
        for row in rows:
            own = np.flatnonzero(labels[number] == labels[number + 1][row])
            away = [np.sqrt(((vectors[number][one] - vectors[number + 1][row]) ** 2).sum()) for one in own]
            chain.append(own[int(np.argmin(away))])
        rows = np.array(chain)
        assert found[number].tolist() == rows.tolist()
    assert set(found) == {0, 1}


def test_the_best_assignment(build):
    made = build()
    rows = matched_rows(made, "optimal")[1]
    old, new = made.history.steps[1]["train"], made.history.newest["train"]
    a, b = pixels(new), pixels(old)
    for label in range(3):
        mine, theirs = np.flatnonzero(new.labels == label), np.flatnonzero(old.labels == label)
        cost = np.sqrt(((a[mine][:, None] - b[theirs][None]) ** 2).sum(axis=2))
        times = -(-6 * len(mine) // (5 * len(theirs)))
        best = cost[:, np.tile(np.arange(len(theirs)), times)]
        wanted = best[linear_sum_assignment(best)].sum()
        assert np.sqrt(((a[mine] - b[rows[mine]]) ** 2).sum(axis=1)).sum() == pytest.approx(wanted, rel=1e-5)
        assert (old.labels[rows[mine]] == label).all()


@pytest.mark.parametrize("samples", ["nearest", "optimal"])
def test_steps_train_on_the_images_that_match(build, samples):
    made = build(samples)
    joint("separate")(made)
    streams = made.stages["joint_model_steps"].prepare({}).streams
    rows = matched_rows(made, samples)
    for number in (0, 1):
        stream, old = streams[f"step_{number + 1}"], made.history.steps[number]["train"]
        wanted = old.ids[rows[number]].tolist()
        assert [re.sub(r"^again\d+/", "", one) for one in stream.ids] == wanted
        assert stream.labels.tolist() == old.labels[rows[number]].tolist()
        assert len(set(wanted)) < len(wanted) == len(made.history.newest["train"])
    assert streams["step_3"].ids.tolist() == made.history.newest["train"].ids.tolist()


def test_all_images_train_otherwise(build):
    made = build("all")
    joint("separate")(made)
    streams = made.stages["joint_model_steps"].prepare({}).streams
    assert [len(streams[f"step_{n + 1}"].ids) for n in range(3)] == [len(s["train"]) for s in made.history.steps]


def test_a_step_without_a_class_is_refused_before_training(build):
    made = build(keep=lambda step, images: images.subset(images.labels != 1) if step == 1 else images)
    with pytest.raises(InputError, match=r"samples = 'nearest': step 2 of 3 has no training image of class 'class1'"):
        joint("separate")(made)
