"""Mutual learning: which networks train, on what, and what of them is logged, kept and published."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from modelheir import models
from modelheir.checks import InputError
from modelheir.config.unread import refuse_unread
from modelheir.methods import METHODS
from modelheir.methods.distill.mutual import Config
from modelheir.objective.distances import LOSSES

POOL = "synthetic:n=40,classes=3,size=8,seed=9"


class Step:
    """The least an objective reads of the engine; keeps what is observed."""

    epoch, number, device_generator = 0, 0, None

    def __init__(self):
        self.seen = {}

    @staticmethod
    def gather(values):
        return values

    def observe(self, name, value):
        self.seen[name] = value.item()


def first(world, given=None, **settings):
    """Return the task, its terms for one batch, the batch, and what was observed."""
    (stage,) = world.plan("mutual", given, **settings)
    made, step = stage.prepare({}), Step()
    batch = next(made.streams["train"].epoch(0))
    return made, made.objective({"train": batch}, step).terms, batch, step.seen


def test_every_loss_that_can_is_offered_with_its_settings():
    both = {name for name, row in LOSSES.items() if row.both}
    assert both == {"kl_distillation", "jeffreys", "feature_distance"}
    assert {one.name for one in dataclasses.fields(Config) if one.name in LOSSES} == both


def test_every_network_learns_from_labels_and_peers(world):
    """SD-12, SD-18: nobody is frozen; every network has cross-entropy, and every component its name."""
    made, found, batch, seen = first(world, peers=("convnet", "mlp"), label_weight=0.5)
    assert list(made.modules) == ["model", "peer_1", "peer_2"]
    assert {name: one.spec["name"] for name, one in made.modules.items()}["peer_1"] == "convnet"
    assert set(found) == {
        *("task", "peer_1_task", "peer_2_task"),
        *("kl_distillation", "peer_1_kl_distillation", "peer_2_kl_distillation"),
    }
    for key, network in (("task", "model"), ("peer_2_task", "peer_2")):
        logits = made.modules[network](batch.inputs).logits
        torch.testing.assert_close(found[key], 0.5 * torch.nn.functional.cross_entropy(logits, batch.labels))
    assert set(seen) == {"train/accuracy", "train/peer_1_accuracy", "train/peer_2_accuracy"}
    sum(found.values()).backward()
    trained = [p for one in made.modules.values() for p in one.parameters()]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trained)
    assert not made.references


@pytest.mark.parametrize("constant", [True, False])
def test_a_peer_is_a_constant_in_the_models_loss_if_asked(world, constant):
    """V-5: in the documents' form the model's loss moves its peer, too; in the paper's it does not."""
    made, found, _, _ = first(world, constant=constant)
    own, peer = made.modules["model"], made.modules["peer_1"]
    term = found["kl_distillation"]
    reached = torch.autograd.grad(term, [own.head.weight, peer.head.weight], retain_graph=True, allow_unused=True)
    assert reached[0].abs().sum() > 0
    assert (reached[1] is None) == constant


def test_without_peers_named_there_is_one_more_of_the_models_kind_with_its_own_seed(world):
    made, _, _, _ = first(world)
    model, peer = made.modules["model"], made.modules["peer_1"]
    assert model.spec["name"] == peer.spec["name"]
    assert model.spec["seed"] != peer.spec["seed"]
    assert not torch.equal(model.head.weight, peer.head.weight)
    plain = models.from_spec(model.spec)
    assert torch.equal(plain.head.weight, model.head.weight)


def test_one_loss_alone_keeps_its_weight_and_every_pair_counts(world):
    """Q-3 and V-7."""
    settings = {"peers": ("mlp", "mlp"), "losses": ("jeffreys",)}
    once = first(world, **settings)[1]
    twice = first(world, loss_weights=(2.0,), **settings)[1]
    for name in ("jeffreys", "peer_1_jeffreys", "peer_2_jeffreys"):
        assert once[name] > 0
        torch.testing.assert_close(twice[name], 2 * once[name])


def test_images_without_labels_are_compared_and_nothing_else(world):
    made, found, batch, _ = first(world, unlabelled=POOL, losses=("jeffreys",))
    known = world.given().data.splits["train"]
    assert len(made.streams["train"].ids) == len(known) + 40
    assert 0 < (batch.labels < 0).sum() < len(batch)
    logits = made.modules["model"](batch.inputs).logits
    torch.testing.assert_close(found["task"], torch.nn.functional.cross_entropy(logits, batch.labels, ignore_index=-1))
    p, q = (made.modules[name](batch.inputs).logits.log_softmax(1) for name in ("model", "peer_1"))
    torch.testing.assert_close(found["jeffreys"], ((p.exp() - q.exp()) * (p - q)).sum(1).mean() / 2)


def test_labels_of_the_pool_are_never_read(world):
    """A pool that holds labels leaves the same weights as one that holds others."""
    given, left = world.given(), []
    for seed in (1, 2):
        opened = world.opened("mutual", Config(unlabelled=POOL), given)
        pool = opened.sources["unlabelled"]
        images = pool.splits["unlabelled"]
        images = dataclasses.replace(images, labels=np.random.default_rng(seed).integers(0, 3, len(images)))
        pool = dataclasses.replace(pool, splits={"unlabelled": images})
        handed = dataclasses.replace(opened, sources={"unlabelled": pool})
        (stage,) = METHODS["mutual"].plan(Config(unlabelled=POOL), handed)
        task = stage.prepare({})
        batch = next(task.streams["train"].epoch(0))
        left.append({name: value.item() for name, value in task.objective({"train": batch}, Step()).terms.items()})
    assert left[0] == left[1]


def test_the_model_is_published_and_the_peers_stay_in_the_stages_file(world, rows):
    log = rows()
    done = world.run("mutual", "run", peers=("convnet",), log=log)["mutual"]
    assert done.publish == "model"
    own = models.from_spec(done.describe["model"])
    assert own.spec["name"] == "mlp"
    assert set(done.weights("model")) == set(own.state_dict())
    peer = models.from_spec(done.describe["peers"]["peer_1"])
    peer.load_state_dict(done.weights("peer_1"))
    assert peer.spec["name"] == "convnet"
    assert all(0 <= row["train/peer_1_accuracy"] <= 1 for row in log)
    assert log[0]["train/peer_1_accuracy"] != log[0]["train/accuracy"]


def test_it_says_that_peers_are_not_exported(world, caplog):
    with caplog.at_level("WARNING"):
        first(world, peers=("mlp", "mlp", "mlp", "mlp"))
    assert "peer_1 and peer_2 and peer_3 and peer_4 train beside the model and are not exported" in caplog.text


def test_mixed_images_are_compared_as_they_are(world):
    given = world.given(inputs=dataclasses.replace(world.given().data.inputs, mixup=1.0))
    _, found, batch, _ = first(world, given)
    assert batch.targets is not None
    assert all(math.isfinite(value.item()) for value in found.values())
    assert found["kl_distillation"] > 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"peers": ("convet",)}, r"^method\.peers: .*convet.*convnet"),
        ({"losses": ()}, r"method\.losses is empty"),
        ({"losses": ("jeffreys",), "loss_weights": (1.0, 2.0)}, "2 values for 1 losses"),
        ({"losses": ("feature_distance",)}, "has no maps"),
    ],
)
def test_what_does_not_fit_is_missed_before_the_first_batch(world, settings, text):
    with pytest.raises(InputError, match=text):
        first(world, **settings)


def test_what_no_chosen_loss_reads_is_refused():
    config = Config(losses=("jeffreys",), taps=("body",))
    with pytest.raises(InputError, match=r"method\.taps = .* has no effect with method\.losses = \['jeffreys'\]"):
        refuse_unread(config, Config(), "method")
    refuse_unread(Config(losses=("feature_distance",), taps=("body",)), Config(), "method")
