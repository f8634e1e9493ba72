"""The pull to earlier models: its value by hand, what it leaves out, and whose Fisher information it takes."""

import dataclasses

import pytest
import torch

from modelheir import losses
from modelheir.methods.adapt.pull import Earlier, Pull
from modelheir.models import blends


@pytest.fixture
def earlier(world):
    given = world.given(model="convnet")
    return [Earlier(dataclasses.replace(given.model, seed=seed).build(), given) for seed in (3, 4)]


@pytest.fixture
def model(world):
    return world.given(model="convnet").model.build()


def names(model):
    found = losses.penalised_names(model)
    assert 0 < len(found) < len(list(model.named_parameters()))  # batch norms are left out
    return found


@pytest.mark.parametrize(("kind", "power"), [("l2_sp", 2), ("l1_sp", 1)])
def test_distances_are_summed_over_models(kind, power, model, earlier):
    now = dict(model.named_parameters())
    expected = sum(
        ((now[name] - dict(one.model.named_parameters())[name]).abs() ** power).sum().item()
        for one in earlier
        for name in names(model)
    )
    assert Pull(kind, 0.5, model, earlier)().item() == pytest.approx(0.5 * expected, rel=1e-4)


def test_consolidation_weighs_by_the_information_of_the_earlier_images(model, earlier):
    """By hand: squares of gradients image by image, scaled to mean 1 over what is pulled."""
    now, total = dict(model.named_parameters()), 0.0
    for one in earlier:
        stream = one.given.data.stream("train", train=False)
        raw = blends.fisher_information(one.model, stream.epoch(0), how="loop")
        kept = {name: raw[name] for name in names(model)}
        mean = sum(float(value.sum()) for value in kept.values()) / sum(value.numel() for value in kept.values())
        old = dict(one.model.named_parameters())
        total += sum((kept[name] / mean * (now[name] - old[name]) ** 2).sum().item() for name in kept)
    assert Pull("ewc", 2.0, model, earlier)().item() == pytest.approx(2 * total, rel=1e-3)


def test_it_is_zero_at_the_earlier_model_and_pulls_back_from_elsewhere(model, earlier):
    one = earlier[:1]
    at = Pull("l2_sp", 1.0, one[0].model, one)
    assert at().item() == 0
    pull = Pull("l2_sp", 1.0, model, one)
    pull().backward()
    name = names(model)[0]
    gap = dict(model.named_parameters())[name] - dict(one[0].model.named_parameters())[name]
    torch.testing.assert_close(dict(model.named_parameters())[name].grad, 2 * gap.detach())


def test_what_does_not_train_is_not_pulled(model, earlier):
    for value in model.parameters():
        value.requires_grad_(False)
    model.head.weight.requires_grad_(True)
    pull = Pull("l2_sp", 1.0, model, earlier[:1])
    gap = model.head.weight - earlier[0].model.head.weight
    assert pull().item() == pytest.approx(gap.square().sum().item(), rel=1e-5)
