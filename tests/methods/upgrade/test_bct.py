"""Backward-compatible training: the frozen head is the old classifier, before and after."""

import pytest
import torch

from modelheir.checks import InputError
from modelheir.methods import METHODS
from modelheir.models import Ensemble


class Step:
    """The least an objective reads of the engine."""

    epoch, number, gather = 0, 0, None

    @staticmethod
    def observe(name, value):
        assert 0 <= value <= 1


def test_frozen_head_is_the_old_classifier_after_training(world, rows):
    log = rows()
    done = world.run("bct", "x", log=log, weight=0.5)
    old = world.given().old.models[0]
    state = done["train"].weights("model")
    assert torch.equal(state["old_head.weight"], old.head.weight)
    assert torch.equal(state["old_head.bias"], old.head.bias)
    assert not torch.equal(state["model.head.weight"], world.given().model.build().head.weight)
    for row in log:
        assert row["loss"] == pytest.approx(row["loss/task"] + row["loss/old_head"], rel=1e-5)
        assert row["loss/old_head"] > 0


def test_single_head_and_blend(world):
    """What is reported is what the two heads of the trained model say, blended by hand."""
    batches = list(world.given().data.stream("test", train=False).epoch(0))
    images, labels = (torch.cat([getattr(batch, name) for batch in batches]) for name in ("inputs", "labels"))
    old = world.given().old.models[0].head
    width, found = old.in_features, []
    for settings, share in (({"single_head": True}, 1.0), ({"blend": 0.5}, 0.5), ({"blend": 0.2}, 0.2), ({}, 0.0)):
        done = world.run("bct", str(settings), **settings)
        state = done["train"].weights("model")
        plain = world.given().model.build()
        plain.load_state_dict({key.removeprefix("model."): v for key, v in state.items() if key.startswith("model.")})
        with torch.no_grad():
            outputs = plain.eval()(images)
            logits = (1 - share) * outputs.logits + share * old(outputs.features[:, :width])
        loss = torch.nn.functional.cross_entropy(logits, labels).item()
        assert done["train"].metrics["test/loss"] == pytest.approx(loss, rel=1e-4)
        assert done["train"].metrics["test/accuracy"] == pytest.approx(
            (logits.argmax(1) == labels).float().mean().item()
        )
        found.append(loss)
    assert len({round(loss, 3) for loss in found}) == 4


def test_weight_multiplies_the_loss_through_the_old_head(world):
    """At the first step, with the new features read by the old classifier that was loaded from disk."""
    old = world.given().old.models[0].head
    for weight in (1.0, 0.5, 3.0):
        (stage,) = METHODS["bct"].plan(world.config("bct", weight=weight), world.given())
        made = stage.prepare({})
        batch = next(made.streams["train"].epoch(0))
        terms = made.objective({"train": batch}, Step()).terms
        with torch.no_grad():
            features = made.modules["model"](batch.inputs).features
            expected = torch.nn.functional.cross_entropy(old(features[:, : old.in_features]), batch.labels)
        torch.testing.assert_close(terms["old_head"].detach(), weight * expected)


def test_a_learned_projection_stands_before_the_old_head(world):
    given = world.given()
    (stage,) = METHODS["bct"].plan(world.config("bct", projection=True), given)
    before = stage.prepare({}).modules["model"].projection.weight.detach().clone()
    after = world.run("bct", "x", projection=True)["train"].weights("model")["projection.weight"]
    assert after.shape == before.shape
    assert not torch.equal(after, before)


def test_new_classes_get_rows_of_mean_old_features(world, rows):
    names = world.given().data.classes
    given = world.given(old=[world.save_model("fewer", classes=names[:2])])
    done = world.run("bct", "x", given=given, log=(log := rows()))
    assert torch.isfinite(torch.tensor(done["train"].metrics["val/loss"]))
    old = given.old.models[0].eval()
    batches = list(given.data.stream(train=False).epoch(0))
    with torch.no_grad():
        features = torch.cat([Ensemble([old])(batch).features for batch in batches])
    mean = features[torch.cat([batch.labels for batch in batches]) == 2].mean(dim=0)
    row = old.head.weight.norm(dim=1).mean() * mean / mean.norm()
    head = done["train"].weights("model")["old_head.weight"]
    torch.testing.assert_close(head, torch.cat([old.head.weight, row[None]]), rtol=1e-4, atol=1e-6)
    left_out = world.run("bct", "y", given=given, log=(other := rows()), new_classes="leave_out")
    assert left_out["train"].weights("model")["old_head.weight"].shape[0] == 2
    assert other[0]["loss/old_head"] != log[0]["loss/old_head"]


def test_one_head_for_old_and_new_classes(world):
    """The frozen head alone can tell new classes apart once it has rows for them, and cannot before."""
    given = world.given(old=[world.save_model("fewer", classes=world.given().data.classes[:2])])
    assert 0 <= world.run("bct", "x", given=given, single_head=True)["train"].metrics["test/accuracy"] <= 1
    with pytest.raises(InputError, match="cannot tell 1 new classes apart"):
        world.run("bct", "y", given=given, single_head=True, new_classes="leave_out")


def test_a_new_class_without_training_images(world):
    given = world.given(old=[world.save_model("fewer", classes=world.given().data.classes[:2])])
    train = given.data.splits["train"]
    without = {**given.data.splits, "train": train.subset(train.labels != 2)}
    with pytest.raises(InputError, match="'class2' is new to the old model and has no training image"):
        world.run("bct", "x", given=world.changed(given, splits=without))


def test_takes_exactly_one_old_model(world):
    with pytest.raises(InputError, match="exactly one --old, got 2"):
        world.run("bct", "x", given=world.given(old=[world.old, world.old]))
