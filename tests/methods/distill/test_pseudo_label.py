"""Pseudo-labels: who names which images, what is learnt from them, and that nobody else's labels count."""

import dataclasses

import numpy as np
import pytest
import torch

from modelheir import models
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.methods import METHODS
from modelheir.methods.distill.pseudo_label import Config

POOL = "synthetic:n=40,classes=3,size=8,seed=9"
SETTINGS = {"unlabelled": POOL, "threshold": 0.38}


class Step:
    """The least an objective reads of the engine; keeps what is observed."""

    epoch = 0

    def __init__(self, number=5, steps=10):
        self.number, self.steps, self.seen = number, steps, {}

    @staticmethod
    def gather(values):
        return values

    def observe(self, name, value):
        self.seen[name] = value.item()


@pytest.fixture(scope="module")
def trained(shared_world):
    """A world, and its finished run of two rounds."""
    return shared_world, shared_world.run("pseudo_label", "run", rounds=2, ramp=0.5, **SETTINGS)


def batches(task):
    return {name: next(iter(stream.epoch(0))) for name, stream in task.streams.items()}


def test_each_round_is_a_stage_named_by_the_one_before(trained):
    world, done = trained
    assert list(done) == ["plain", "round_1", "round_2"]
    stages = world.plan("pseudo_label", rounds=2, ramp=0.5, **SETTINGS)
    for number, before in ((1, "plain"), (2, "round_1")):
        task = stages[number].prepare(done)
        model = models.from_spec(done[before].describe["model"])
        model.load_state_dict(done[before].weights("model"))
        pool = world.opened("pseudo_label", Config(unlabelled=POOL)).sources["unlabelled"]
        stream = pool.stream("unlabelled", train=False)
        with torch.no_grad():
            said = [(batch.index, model.eval()(batch.inputs).logits.softmax(1)) for batch in stream.epoch(0)]
        index, p = (torch.cat(parts) for parts in zip(*said, strict=True))
        sure = p.amax(1) >= 0.38
        expected = {f"unlabelled/{stream.ids[i]}": int(c) for i, c in zip(index[sure], p.argmax(1)[sure], strict=True)}
        named = task.streams["pseudo"]
        assert dict(zip(named.ids.tolist(), named.labels.tolist(), strict=True)) == expected
        assert 0 < len(expected) < 40
        told = task.describe["pseudo_labels"]
        assert (told["of"], sum(told["classes"].values())) == (40, len(expected))
        begun = world.given().model.build().state_dict()
        assert all(torch.equal(value, begun[key]) for key, value in task.modules["model"].state_dict().items())


@pytest.mark.parametrize(("number", "risen"), [(0, 0.0), (2, 0.4), (5, 1.0), (9, 1.0)])
def test_the_loss_of_pseudo_labels_rises_to_its_weight(trained, number, risen):
    """By hand: eq. 15, two means of cross-entropy; eq. 16 with T = half of the steps."""
    world, done = trained
    task = world.plan("pseudo_label", ramp=0.5, weight=3.0, **SETTINGS)[1].prepare(done)
    given, step = batches(task), Step(number)
    found = task.objective(given, step).terms
    assert set(found) == {"task", "pseudo_task"}
    for name, weight in (("train", 1.0), ("pseudo", 3.0 * risen)):
        logits = task.modules["model"](given[name].inputs).logits
        expected = weight * torch.nn.functional.cross_entropy(logits, given[name].labels)
        torch.testing.assert_close(found["task" if name == "train" else "pseudo_task"], expected)
    assert set(step.seen) == {"train/accuracy", "train/pseudo_accuracy"}


def test_without_a_ramp_it_counts_in_full_from_the_first_step(trained):
    world, done = trained
    task = world.plan("pseudo_label", ramp=0.0, **SETTINGS)[1].prepare(done)
    given = batches(task)
    first, last = (task.objective(given, Step(number)).terms["pseudo_task"] for number in (0, 9))
    torch.testing.assert_close(first, last)
    assert first > 0


def test_the_longer_stream_defines_the_epoch(trained):
    world, done = trained
    few = world.plan("pseudo_label", **SETTINGS)[1].prepare(done)
    assert list(few.streams) == ["train", "pseudo"]  # 69 labelled images, and fewer named ones
    given = world.given(inputs=InputConfig(mirror=True, train_per_class=3))
    many = world.plan("pseudo_label", given, **{**SETTINGS, "threshold": 0.0})[1].prepare(done)
    assert list(many.streams) == ["pseudo", "train"]
    assert len(many.streams["pseudo"].ids) == 40


def test_labels_of_the_pool_are_never_read(trained):
    world, done = trained
    left = []
    for seed in (1, 2):
        opened = world.opened("pseudo_label", Config(unlabelled=POOL))
        images = opened.sources["unlabelled"].splits["unlabelled"]
        images = dataclasses.replace(images, labels=np.random.default_rng(seed).integers(0, 3, len(images)))
        pool = dataclasses.replace(opened.sources["unlabelled"], splits={"unlabelled": images})
        handed = dataclasses.replace(opened, sources={"unlabelled": pool})
        task = METHODS["pseudo_label"].plan(Config(**SETTINGS), handed)[1].prepare(done)
        left.append((task.streams["pseudo"].ids.tolist(), task.streams["pseudo"].labels.tolist()))
    assert left[0] == left[1]


def test_images_of_evaluation_are_not_named(trained):
    world, done = trained
    own = "synthetic:n=96,classes=3,size=8"
    given = world.given(inputs=InputConfig(mirror=True, train_per_class=5))
    task = world.plan("pseudo_label", given, unlabelled=own, threshold=0.0)[1].prepare(done)
    held = {one for split in given.data.splits.values() for one in split.ids.tolist()}
    kept = {one.removeprefix("unlabelled/") for one in task.streams["pseudo"].ids.tolist()}
    assert len(kept) == 96 - len(held)
    assert not kept & held


def test_nobody_sure_is_said_with_the_surest(trained):
    world, done = trained
    stage = world.plan("pseudo_label", unlabelled=POOL, threshold=1.0)[1]
    with pytest.raises(
        InputError, match=r"^0 of the 40 images of --unlabelled reach method\.threshold = 1\.0 \(the surest"
    ):
        stage.prepare(done)


def test_without_a_pool_it_is_refused(world):
    with pytest.raises(InputError, match="train pseudo_label needs --unlabelled, images without labels"):
        world.plan("pseudo_label")
