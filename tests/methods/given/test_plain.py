"""The plain stage: cross-entropy on the labels alone, weighted by likelihoods where there are some."""

import torch

from modelheir.methods.given import plain_stage
from modelheir.objective.supervised import SupervisedConfig


class Step:
    """The least an objective reads of the engine."""

    @staticmethod
    def gather(values):
        return values

    @staticmethod
    def observe(name, value):
        pass


def test_a_new_network_learns_the_labels(world):
    given = world.given()
    stage = plain_stage("first", given, SupervisedConfig())
    assert stage.name == "first"
    made = stage.prepare({})
    model = made.modules["model"]
    fresh = given.model.build().state_dict()
    assert all(torch.equal(fresh[key], value) for key, value in model.state_dict().items())
    batch = next(made.streams["train"].epoch(0))
    assert batch.extra == {}
    found = made.objective({"train": batch}, Step()).terms
    expected = torch.nn.functional.cross_entropy(model(batch.inputs).logits, batch.labels)
    assert set(found) == {"task"}
    torch.testing.assert_close(found["task"], expected)


def test_it_trains_the_model_that_it_is_given(world):
    model = world.given().model.build()
    made = plain_stage("first", world.given(), SupervisedConfig(), start=lambda: model).prepare({})
    assert made.modules["model"] is model


def test_what_the_stream_carries_weighs_the_images(world):
    given = world.given()
    likelihood = torch.linspace(0, 1, len(given.data.splits["train"]))
    config = SupervisedConfig(likelihood_scale=4.0)
    made = plain_stage("first", given, config, extra=lambda: {"likelihood": likelihood}).prepare({})
    batch = next(made.streams["train"].epoch(0))
    torch.testing.assert_close(batch.extra["likelihood"], likelihood[batch.index])
    found = made.objective({"train": batch}, Step()).terms["task"]
    logits = made.modules["model"](batch.inputs).logits
    each = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none")
    shares = 1 / (4 * likelihood[batch.index] + 1)
    torch.testing.assert_close(found, (each * shares / shares.mean()).mean())
