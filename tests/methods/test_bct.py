"""Backward-compatible training: the frozen head is the old classifier, before and after."""

import pytest
import torch

from modelheir.checks import InputError


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


def test_new_classes_are_trained_through_the_new_head_only(world):
    names = world.parts().classes
    fewer = world.save_model("fewer", classes=names[:2])
    assert torch.isfinite(
        torch.tensor(world.run("bct", "x", parts=world.parts(old=[fewer]))["train"].metrics["val/loss"])
    )


def test_takes_exactly_one_old_model(world):
    with pytest.raises(InputError, match="exactly one --old, got 2"):
        world.run("bct", "x", parts=world.parts(old=[world.old, world.old]))
