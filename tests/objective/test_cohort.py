"""A cohort: what each network is charged for, where gradients go, what is compared inside the networks."""

import numpy as np
import pytest
import torch

from modelheir import models
from modelheir.checks import InputError
from modelheir.methods.distill.mutual import Config
from modelheir.objective.cohort import Cohort
from modelheir.types import Batch

CLASSES = ("a", "b", "c", "d")


class Step:
    gather = device_generator = None


def cohort(*names, **settings):
    """Return a cohort of networks for 8-pixel images."""
    networks = {
        "model" if number == 0 else f"peer_{number}": models.build(name, classes=CLASSES, image_size=8, seed=number)
        for number, name in enumerate(names)
    }
    given = {"losses": ("kl_distillation",), "settings": Config(), "constant": True, "image_size": 8} | settings
    return Cohort(networks, **given)


@pytest.fixture
def batch(draw):
    return Batch(draw(6, 3, 8, 8).sigmoid(), torch.full((6,), -1), torch.arange(6))


def test_each_network_is_charged_its_mean_distance_to_its_peers(batch, log_softmax):
    """By hand: mean over two peers of KL(peer || own)."""
    made = cohort("mlp", "mlp", "mlp", loss_weights=(3.0,))
    said = made.run(batch)
    logs = {name: log_softmax(seen.outputs.logits.detach().numpy()) for name, seen in said.items()}
    found = made.terms(said, batch, Step())
    assert list(found) == ["model", "peer_1", "peer_2"]
    for name, own in logs.items():
        kls = [(np.exp(p) * (p - own)).sum(1).mean() for peer, p in logs.items() if peer != name]
        assert found[name]["kl_distillation"].item() == pytest.approx(3 * np.mean(kls), rel=1e-4)


def test_without_constants_two_networks_share_the_loss_of_the_documents(batch, log_softmax):
    """SD-18: one ``jeffreys`` for the pair, half of it under each network's name; kl_distillation adds up to it."""
    made = cohort("mlp", "mlp", losses=("jeffreys", "kl_distillation"), constant=False)
    said = made.run(batch)
    p, q = (log_softmax(seen.outputs.logits.detach().numpy()) for seen in said.values())
    expected = ((np.exp(p) - np.exp(q)) * (p - q)).sum(1).mean() / 2
    found = made.terms(said, batch, Step())
    for loss in ("jeffreys", "kl_distillation"):
        assert sum(terms[loss].item() for terms in found.values()) == pytest.approx(expected, rel=1e-4)
    assert found["model"]["jeffreys"].item() == pytest.approx(expected / 2, rel=1e-4)


@pytest.mark.parametrize("constant", [True, False])
def test_gradients_reach_a_peer_only_where_it_is_no_constant(batch, constant):
    """V-5."""
    made = cohort("mlp", "mlp", constant=constant)
    found = made.terms(made.run(batch), batch, Step())["model"]["kl_distillation"]
    for name, network in made.networks.items():
        grads = torch.autograd.grad(found, list(network.parameters()), retain_graph=True, allow_unused=True)
        reached = [one is not None and bool(one.abs().sum() > 0) for one in grads]
        assert all(reached) if name == "model" or not constant else not any(reached)


@pytest.mark.parametrize("loss", ["jeffreys", "feature_distance"])
def test_a_symmetric_loss_has_one_gradient_in_both_forms(batch, loss):
    grads = []
    for constant in (True, False):
        made = cohort("convnet", "convnet", losses=(loss,), constant=constant)
        found = made.terms(made.run(batch), batch, Step())
        sum(terms[loss] for terms in found.values()).backward()
        grads.append([p.grad for network in made.networks.values() for p in network.parameters() if p.grad is not None])
    assert len(grads[0]) > 10
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


def test_feature_distance_compares_what_the_taps_see(batch):
    """SD-19: the mean square over all elements of two maps (3.9)."""
    made = cohort("convnet", "convnet", losses=("feature_distance",), taps=("body.blocks.1",), loss_weights=(2.0,))
    said = made.run(batch)
    x, y = (seen.layer for seen in said.values())
    assert x.shape == (6, 64, 4, 4)
    found = made.terms(said, batch, Step())["model"]["feature_distance"]
    torch.testing.assert_close(found, 2 * torch.nn.functional.mse_loss(x, y))
    usual = cohort("convnet", "convnet", losses=("feature_distance",))
    assert usual.run(batch)["model"].layer.shape == (6, 128, 2, 2)  # the last map


def test_places_differ_from_network_to_network(batch):
    made = cohort("mlp", "mlp", losses=("feature_distance",), taps=("body.layers.0", "body.layers.1"))
    assert [tap.names for tap in made.taps.values()] == [("body.layers.0",), ("body.layers.1",)]
    said = made.run(batch)
    torch.testing.assert_close(said["peer_1"].layer, said["peer_1"].outputs.features)
    torch.testing.assert_close(said["model"].layer, made.networks["model"].body.layers[0](_normalised(made, batch)))


def _normalised(made, batch):
    model = made.networks["model"]
    return ((batch.inputs - model.mean) / model.std).flatten(1)


def test_one_network_runs_once(batch):
    made = cohort("mlp", "mlp", "mlp", losses=("jeffreys", "kl_distillation"))
    calls = []
    for name, network in made.networks.items():
        network.register_forward_hook(lambda *_, name=name: calls.append(name))
    made.terms(made.run(batch), batch, Step())
    assert calls == ["model", "peer_1", "peer_2"]


@pytest.mark.parametrize(
    ("names", "taps", "text"),
    [
        (("convnet", "resnet8"), (), r"method\.losses = 'feature_distance' compares maps of one shape, and body"),
        (("convnet",) * 3, ("body", "body"), "names 2 places for 3 networks"),
        (("convnet",) * 2, ("body.blocks.9",), "body.blocks.9"),
    ],
)
def test_places_that_do_not_fit_are_refused(names, taps, text):
    with pytest.raises(InputError, match=text):
        cohort(*names, losses=("feature_distance",), taps=taps)


def test_equal_networks_have_nothing_to_say(batch):
    made = cohort("mlp", "mlp", losses=("jeffreys", "kl_distillation"))
    made.networks["peer_1"].load_state_dict(made.networks["model"].state_dict())
    found = made.terms(made.run(batch), batch, Step())
    assert all(value.item() == pytest.approx(0, abs=1e-6) for terms in found.values() for value in terms.values())
