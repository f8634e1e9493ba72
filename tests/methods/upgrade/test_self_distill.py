"""Self-distillation: no pull until an image's bank is full, the bank is resumed."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from modelheir.checks import InputError


def test_pull_begins_when_the_bank_is_full(world, rows):
    log = rows()
    given = world.given()
    whole = len(given.data.splits["train"].ids)  # every image in every epoch
    given = world.given(fit=dataclasses.replace(world.fit, epochs=5, batch_size=whole))
    world.run("self_distill", "x", given=given, length=2, log=log)
    pulls = [row["effective_lambda/bank"] for row in log]
    assert pulls[:3] == [0.0, 0.0, 0.0]
    assert pulls[3:] == [1.0, 1.0]


def test_bank_survives_a_kill(world):
    fit = dataclasses.replace(world.fit, epochs=5)
    given = world.given(fit=fit)
    straight = world.run("self_distill", "a", given=given, length=1)
    with pytest.raises(KeyboardInterrupt):
        world.run("self_distill", "b", given=given, length=1, stop_after=18)
    resumed = world.run("self_distill", "b", given=given, length=1)
    a, b = straight["train"].weights("model"), resumed["train"].weights("model")
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_too_few_epochs_for_any_target_are_refused(world, rows):
    """The plainest count: an epoch is a visit, and targets come after ``length + 1`` visits."""
    few = world.given(fit=dataclasses.replace(world.fit, epochs=3))
    with pytest.raises(InputError, match=r"fit\.epochs = 3 does nothing with method\.length = 2: .* epoch 4 on"):
        world.run("self_distill", "x", given=few, length=2)
    world.run("self_distill", "off", given=few, length=2, weight=0.0)
    with pytest.raises(InputError, match=r"fit\.epochs = 3 does nothing with method\.length = 4"):
        world.run("self_distill", "usual", given=few)
    log = rows()
    enough = world.given(fit=dataclasses.replace(world.fit, epochs=4))
    world.run("self_distill", "y", given=enough, length=2, log=log)
    assert log[-1]["effective_lambda/bank"] > 0


@pytest.mark.parametrize("key", ["loss", "mix_with"])
def test_a_distance_of_features_is_refused_before_training(world, key):
    """What the bank keeps are logits; no old model and no stored output is to blame."""
    given = world.given(fit=dataclasses.replace(world.fit, epochs=3))
    with pytest.raises(
        InputError, match=rf"method\.distance\.{key} = 'random_projection' compares features, and the bank"
    ):
        world.plan("self_distill", given, length=1, **{f"distance__{key}": "random_projection"})


class Step:
    """The least an objective reads of the engine."""

    epoch, number = 0, 0

    @staticmethod
    def gather(values):
        return values

    @staticmethod
    def observe(name, value):
        pass


@pytest.mark.parametrize(
    ("settings", "momentum", "weight"), [({}, 0.2, 1.0), ({"momentum": 0.5, "weight": 3.0}, 0.5, 3.0)]
)
def test_pull_is_to_the_blend_of_past_logits_beyond_half_a_logit(world, settings, momentum, weight):
    """Three visits by hand: kept, blended and kept, compared with what the logits are now."""
    given = world.given(fit=dataclasses.replace(world.fit, epochs=3))
    (stage,) = world.plan("self_distill", given, length=1, **settings)
    made = stage.prepare({})
    model, batch = made.modules["model"], next(made.streams["train"].epoch(0))
    said = []
    for visit in range(3):
        with torch.no_grad():
            model.head.bias.add_(torch.tensor([2.0, -1.0, 0.25]) * visit)
            said.append(model(batch.inputs).logits)
        found = made.objective({"train": batch}, Step()).terms
        if visit < 2:
            assert found["bank"] == 0
    target = momentum * said[0] + (1 - momentum) * said[1]
    beyond = ((said[2] - target).abs() - 0.5).clamp_min(0) ** 2
    others = 1 - torch.nn.functional.one_hot(batch.labels, 3)
    torch.testing.assert_close(found["bank"].detach(), weight * (others * beyond).mean())
    torch.testing.assert_close(found["task"].detach(), torch.nn.functional.cross_entropy(said[2], batch.labels))


def test_bank_lies_on_the_device_and_holds_every_image(world):
    given = world.given(fit=dataclasses.replace(world.fit, epochs=6))
    runtime = SimpleNamespace(rank=0, world=1, device=torch.device("meta"))
    (stage,) = world.plan("self_distill", world.changed(given, runtime=runtime))
    bank = stage.prepare({}).state["bank"]
    assert bank.entries.shape == (len(given.data.splits["train"]), 5, 3)
    assert bank.entries.device.type == bank.visits.device.type == "meta"
