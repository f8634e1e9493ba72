"""Pieces of a seed of co-training on the tiny world: two halves of each image, five labels a class."""

import dataclasses
import types

import numpy as np
import pytest

from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.data.label_subsets import split_labels
from modelheir.methods.cotrain.build import Build
from modelheir.methods.given.views import open_views

USUAL = {"views": ("pixels:left", "pixels:right"), "labels": "5 per class", "seeds": 1}
PLAIN = FitConfig(epochs=2, batch_size=8, optimizer="sgd", lr=0.05, momentum=0.0, weight_decay=0.0, schedule="constant")


@pytest.fixture
def plain(world):
    """What a plan is handed, with the plainest training."""
    return world.given(inputs=InputConfig(augment="none"), fit=PLAIN)


@pytest.fixture
def few():
    """Return a function that runs or plans with few steps: ``few(world.run, "folder", algorithms=...)``."""

    def call(run, *names, **settings):
        return run("cotrain", *names, **{**USUAL, **settings})

    return call


@pytest.fixture
def make_build(world, plain):
    """Return a function that makes one seed's pieces, without a plan around them."""

    def build(given=None, **settings):
        given = given or plain
        config, train = world.config("cotrain", **{**USUAL, **settings}), given.data.splits["train"]
        rows = split_labels(train.labels, config.labels, seed=given.data.seed, ids=train.ids, classes=train.classes)
        return Build(
            config,
            given,
            lambda done: open_views(config.views, given.data, say=lambda line: None),
            lambda done: train.ids[rows],
        )

    return build


@pytest.fixture
def relabelled():
    """Return a function that gives what a plan is handed with other labels of a split."""

    def change(given, split, labels):
        images = dataclasses.replace(given.data.splits[split], labels=np.asarray(labels))
        data = dataclasses.replace(given.data, splits={**given.data.splits, split: images})
        return dataclasses.replace(given, data=data)

    return change


@pytest.fixture
def finished():
    """Return a function that makes a stage's result of heads that were not trained."""

    def result(build, heads, **told):
        whole = build.classifier(heads)
        state = {key: value.clone() for key, value in whole.state_dict().items()}
        return types.SimpleNamespace(
            describe={"model": whole.spec, **told}, weights=lambda module: state, skipped=False, metrics={}
        )

    return result
