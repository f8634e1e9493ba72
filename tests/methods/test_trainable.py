"""Every method trains only what ``--trainable`` names, and keeps plain weights."""

import dataclasses

import pytest
import torch

from modelheir.config.fit import SnapshotConfig
from modelheir.methods import METHODS
from modelheir.models import from_spec

BODY = {"body.layers.0.0.weight", "body.layers.1.0.weight"}
HEAD = {"head.weight", "head.bias"}
CHOICES = {
    "all": BODY | {name.replace("weight", "bias") for name in BODY} | HEAD,
    "head": HEAD,
    "linear": BODY | {name.replace("weight", "bias") for name in BODY} | HEAD,
    "stage:1": {"body.layers.1.0.weight", "body.layers.1.0.bias"},
    "body.layers.0*": {"body.layers.0.0.weight", "body.layers.0.0.bias"},
    "low_rank:2": BODY | {"head.weight"},
    "low_rank:2,head": BODY | HEAD,
    "plane:2": BODY | {name.replace("weight", "bias") for name in BODY} | HEAD,
}


def run(world, name, folder, choice, *, stop_after=None, **fit):
    epochs = 3 if name == "self_distill" else 2
    fit = dataclasses.replace(world.fit, epochs=epochs, snapshots=SnapshotConfig(every_epochs=1), **fit)
    given = world.given(trainable=choice, fit=fit)
    return world.run(name, folder, given=given, stop_after=stop_after, **world.small(name))


def own(weights):
    """The new network's weights; those of a transplant stand under a name, beside the old head."""
    return {key.removeprefix("model."): value for key, value in weights.items() if not key.startswith("old_head.")}


NETWORKS = [name for name in METHODS if name != "cotrain"]  #: methods that train a network


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("name", NETWORKS)
def test_only_the_named_weights_change(world, name, choice):
    for result in run(world, name, "run", choice).values():
        taken = result.snapshots()
        if not taken:  # a blend trains nothing
            continue
        start, after = own(taken[0].weights("model")), own(result.weights("model"))
        assert {key for key in start if not torch.equal(start[key], after[key])} == CHOICES[choice]
        last = own(taken[-1].weights("model"))
        assert all(torch.equal(last[key], value) for key, value in after.items())


@pytest.mark.parametrize("choice", ["low_rank:2", "plane:2,head"])
@pytest.mark.parametrize("name", NETWORKS)
def test_plain_weights_are_kept_and_a_kill_changes_nothing(world, name, choice):
    whole = {"ema_decay": 0.5, "keep": "best", "save_every_steps": 1, "checkpoint_every_epochs": 1}
    first = run(world, name, "first", choice, **whole)
    for stop_after in (3, 2):
        with pytest.raises(KeyboardInterrupt):
            run(world, name, "second", choice, stop_after=stop_after, **whole)
    second = run(world, name, "second", choice, **whole)
    for stage, result in first.items():
        a, b = result.weights("model"), second[stage].weights("model")
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a), stage
        assert result.metrics == second[stage].metrics
    last = list(first.values())[-1]
    model = from_spec(last.describe["model"])
    model.load_state_dict(last.weights("model"))
    stream = world.given().data.stream("val", train=False)
    right = sum(int((model.eval()(batch.inputs).logits.argmax(1) == batch.labels).sum()) for batch in stream.epoch(0))
    assert last.metrics["val/accuracy"] == pytest.approx(right / len(stream.ids))
