"""Backward-compatible training: the frozen head is the old classifier, before and after."""

import numpy as np
import pytest
import torch
from PIL import Image

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods import METHODS
from modelheir.models import Ensemble, load


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
    for weight in (None, 0.5, 3.0):
        settings = {} if weight is None else {"weight": weight}
        (stage,) = METHODS["bct"].plan(world.config("bct", **settings), world.given())
        made = stage.prepare({})
        batch = next(made.streams["train"].epoch(0))
        terms = made.objective({"train": batch}, Step()).terms
        with torch.no_grad():
            features = made.modules["model"](batch.inputs).features
            expected = torch.nn.functional.cross_entropy(old(features[:, : old.in_features]), batch.labels)
        torch.testing.assert_close(terms["old_head"].detach(), (1.0 if weight is None else weight) * expected)
        assert set(terms) == {"task", "old_head"}
        assert set(made.references) == {"classes"}


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


def test_the_projection_is_drawn_from_the_seed_of_the_new_model_and_absent_by_default(world):
    given = world.given()
    drawn = []
    for seed, settings in ((1, {}), (1, {"projection": True}), (1, {"projection": True}), (2, {"projection": True})):
        (stage,) = world.plan("bct", world.changed(given, init_seed=seed), **settings)
        drawn.append(stage.prepare({}).modules["model"].projection)
    assert drawn[0] is None
    same, again, other = (one.weight for one in drawn[1:])
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


def test_one_shared_class_is_enough_and_other_images_count_for_nothing(world):
    """The old head says nothing of images of other classes; among one class there is nothing to learn."""
    old = world.save_model("one", classes=world.given().data.classes[:1])
    (stage,) = world.plan("bct", world.given(old=[old]), new_classes="leave_out")
    made = stage.prepare({})
    batch = next(made.streams["train"].epoch(0))
    assert len(batch.labels.unique()) == 3
    assert made.objective({"train": batch}, Step()).terms["old_head"] == 0


def test_rows_come_from_images_of_new_classes_alone(world, monkeypatch):
    """A class that the old model knows needs no training image; images that cannot be decoded are left out."""
    names = world.given().data.classes
    given = world.given(old=[world.save_model("fewer", classes=names[:2])])
    train = given.data.splits["train"]
    given = world.changed(given, splits={**given.data.splits, "train": train.subset(train.labels != 0)})
    shown = []
    predict = type(given.old).predict
    monkeypatch.setattr(
        type(given.old),
        "predict",
        lambda self, model, stream, **own: shown.append(stream) or predict(self, model, stream, **own),
    )
    assert world.plan("bct", given)[0].prepare({}).modules["model"].old_head.out_features == 3
    assert set(shown[0].labels) == {2}
    world.plan("bct")[0].prepare({})
    assert len(shown) == 1  # an old model that knows every class is not asked


def test_undecodable_images_of_a_new_class_are_counted_in_the_whole_split(world, tmp_path):
    """One of ten images of the new class is 10 %, and 3 % of the split."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for number in range(30):
            file = tmp_path / "images" / split / "xyz"[number % 3] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(file)
            if (split, number) == ("train", 5):
                file.write_bytes(file.read_bytes()[:-100])
    inputs = InputConfig(image_size=8, loader="streaming", workers=0, resident_gib=0, max_bad_share=0.05)
    splits = open_splits(f"folder:{tmp_path / 'images'}", inputs)
    old = world.save_model("fewer", classes=("x", "y"))
    made = world.plan("bct", world.given(inputs=inputs, splits=splits, old=[old]))[0].prepare({})
    rows = made.modules["model"].old_head.weight
    model = load(old).eval()
    images = [
        splits["train"].image(row) for row, name in enumerate(splits["train"].ids) if "z/" in name and "/5." not in name
    ]
    small = torch.stack(
        [torch.from_numpy(np.array(Image.fromarray(one).resize((8, 8), Image.BILINEAR))) for one in images]
    )
    with torch.no_grad():
        mean = model(small.permute(0, 3, 1, 2) / 255).features.mean(0)
    torch.testing.assert_close(rows[2] / rows[2].norm(), mean / mean.norm(), atol=0.02, rtol=0.1)
