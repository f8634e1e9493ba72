"""Self-distillation: no pull until an image's bank is full, the bank is resumed."""

import dataclasses

import pytest
import torch


def test_pull_begins_when_the_bank_is_full(world, rows):
    log = rows()
    parts = world.parts()
    whole = len(parts.splits["train"].ids)  # every image in every epoch
    parts = dataclasses.replace(parts, fit=dataclasses.replace(world.fit, epochs=5, batch_size=whole))
    world.run("self_distill", "x", parts=parts, length=2, log=log)
    pulls = [row["effective_lambda/bank"] for row in log]
    assert pulls[:3] == [0.0, 0.0, 0.0]
    assert pulls[3:] == [1.0, 1.0]


def test_bank_survives_a_kill(world):
    fit = dataclasses.replace(world.fit, epochs=5)
    parts = world.parts(fit=fit)
    straight = world.run("self_distill", "a", parts=parts, length=1)
    with pytest.raises(KeyboardInterrupt):
        world.run("self_distill", "b", parts=parts, length=1, stop_after=18)
    resumed = world.run("self_distill", "b", parts=parts, length=1)
    a, b = straight["train"].weights("model"), resumed["train"].weights("model")
    assert all(torch.equal(a[key], b[key]) for key in a)
