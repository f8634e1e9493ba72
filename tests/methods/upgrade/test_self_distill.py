"""Self-distillation: no pull until an image's bank is full, the bank is resumed."""

import dataclasses

import pytest
import torch

from modelheir.checks import InputError
from modelheir.methods import METHODS


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
    log = rows()
    enough = world.given(fit=dataclasses.replace(world.fit, epochs=4))
    world.run("self_distill", "y", given=enough, length=2, log=log)
    assert log[-1]["effective_lambda/bank"] > 0


@pytest.mark.parametrize("key", ["loss", "mix_with"])
def test_a_distance_of_features_is_refused_before_training(world, key):
    """What the bank keeps are logits; no old model and no stored output is to blame."""
    config = world.config("self_distill", length=1, **{f"distance__{key}": "random_projection"})
    given = world.given(fit=dataclasses.replace(world.fit, epochs=3))
    with pytest.raises(
        InputError, match=rf"method\.distance\.{key} = 'random_projection' compares features, and the bank"
    ):
        METHODS["self_distill"].plan(config, given)
