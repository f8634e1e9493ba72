"""Backward-compatible training: the frozen head is the old classifier, before and after."""

import dataclasses

import pytest
import torch

from modelheir.checks import InputError
from modelheir.models import Ensemble


def test_frozen_head_is_the_old_classifier_after_training(world, rows):
    log = rows()
    done = world.run("bct", "x", log=log, weight=0.5)
    old = world.parts().old_models()[0]
    state = done["train"].weights("model")
    kept = [value for key, value in state.items() if value.shape == old.head.weight.shape]
    assert any(torch.equal(value, old.head.weight) for value in kept)
    for row in log:
        assert row["loss"] == pytest.approx(row["loss/task"] + row["loss/old_head"], rel=1e-5)
        assert row["loss/old_head"] > 0


def test_single_head_and_blend(world):
    for settings in ({"single_head": True}, {"blend": 0.5}, {"projection": True}):
        name = next(iter(settings))
        assert 0 <= world.run("bct", name, **settings)["train"].metrics["test/accuracy"] <= 1


def test_new_classes_get_rows_of_mean_old_features(world, rows):
    names = world.parts().classes
    parts = world.parts(old=[world.save_model("fewer", classes=names[:2])])
    done = world.run("bct", "x", parts=parts, log=(log := rows()))
    assert torch.isfinite(torch.tensor(done["train"].metrics["val/loss"]))
    old = parts.old_models()[0].eval()
    batches = list(parts.stream(train=False).epoch(0))
    with torch.no_grad():
        features = torch.cat([Ensemble([old])(batch).features for batch in batches])
    mean = features[torch.cat([batch.labels for batch in batches]) == 2].mean(dim=0)
    row = old.head.weight.norm(dim=1).mean() * mean / mean.norm()
    head = done["train"].weights("model")["old_head.weight"]
    torch.testing.assert_close(head, torch.cat([old.head.weight, row[None]]), rtol=1e-4, atol=1e-6)
    left_out = world.run("bct", "y", parts=parts, log=(other := rows()), new_classes="leave_out")
    assert left_out["train"].weights("model")["old_head.weight"].shape[0] == 2
    assert other[0]["loss/old_head"] != log[0]["loss/old_head"]


def test_one_head_for_old_and_new_classes(world):
    """The frozen head alone can tell new classes apart once it has rows for them, and cannot before."""
    parts = world.parts(old=[world.save_model("fewer", classes=world.parts().classes[:2])])
    assert 0 <= world.run("bct", "x", parts=parts, single_head=True)["train"].metrics["test/accuracy"] <= 1
    with pytest.raises(InputError, match="cannot tell 1 new classes apart"):
        world.run("bct", "y", parts=parts, single_head=True, new_classes="leave_out")


def test_a_new_class_without_training_images(world):
    parts = world.parts(old=[world.save_model("fewer", classes=world.parts().classes[:2])])
    train = parts.splits["train"]
    without = {**parts.splits, "train": train.subset(train.labels != 2)}
    with pytest.raises(InputError, match="'class2' is new to the old model and has no training image"):
        world.run("bct", "x", parts=dataclasses.replace(parts, splits=without))


def test_takes_exactly_one_old_model(world):
    with pytest.raises(InputError, match="exactly one --old, got 2"):
        world.run("bct", "x", parts=world.parts(old=[world.old, world.old]))
