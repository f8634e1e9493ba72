"""What trains and what stays, part by part."""

import copy

import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import build, draw_head, set_trainable, transplant
from modelheir.models.adapters import plain_state

CLASSES = ("a", "b", "c")
BLOCK = {"body.blocks.2.0.weight", "body.blocks.2.1.weight", "body.blocks.2.1.bias"}
BLOCK |= {f"body.blocks.2.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
HEAD = {"head.weight", "head.bias"}
WEIGHTS = {"head.weight", *(f"body.blocks.{number}.0.weight" for number in range(3))}


def made(name="convnet", size=8, **network):
    return build(name, classes=CLASSES, image_size=size, config=NetworkConfig(**network), seed=1)


def moved(model, size=8, steps=2):
    """Names of plain weights and buffers that training changes."""
    before = {key: value.clone() for key, value in plain_state(model).items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(steps):
        images = torch.rand(4, 3, size, size)
        found = model.train()(images)
        for logits in (found.logits, *found.auxiliary):
            nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward(retain_graph=True)
        optimizer.step()
        optimizer.zero_grad()
    return {key for key, value in plain_state(model).items() if not torch.equal(value, before[key])}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("head", HEAD),
        ("linear", HEAD),
        ("stage:-1", HEAD),
        ("body.blocks.2", BLOCK),
        ("stage:2,head", BLOCK | HEAD),
        ("body.blocks.2.1.b*", BLOCK - {"body.blocks.2.0.weight", "body.blocks.2.1.weight"}),
        ("low_rank:2", WEIGHTS),
        ("low_rank:2,head", WEIGHTS | HEAD),
    ],
)
def test_only_what_is_named_moves(choice, expected):
    model = made()
    set_trainable(model, choice)
    assert moved(model) == expected


def test_statistics_of_frozen_parts_move_where_that_is_asked_for():
    model = made()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    set_trainable(model, "stage:2,head", frozen_statistics=False)
    found = moved(model)
    statistics = {
        key for key in before if key.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
    }
    assert found == BLOCK | HEAD | statistics
    assert len(statistics) == 9


def test_all_is_the_model_as_it_is():
    model = made()
    set_trainable(model, "all")
    assert moved(model) >= {name for name, _ in model.named_parameters()}
    assert all(module.training for module in model.train().modules())


def test_in_a_plane_everything_moves_along_the_directions_alone():
    model = made()
    before = plain_state(model)
    before = torch.cat([before[name].flatten().clone() for name, _ in made().named_parameters()])
    set_trainable(model, "plane:2", seed=3)
    parameters = [p for p in model.parameters() if p.requires_grad]
    assert [tuple(p.shape) for p in parameters] == [(2,)]
    directions = []
    for axis in range(2):
        with torch.no_grad():
            parameters[0].copy_(torch.eye(2)[axis])
        state = plain_state(model)
        directions.append(torch.cat([state[name].flatten() for name, _ in made().named_parameters()]) - before)
    assert [float(one.norm()) for one in directions] == pytest.approx([1.0, 1.0], abs=0.02)
    with torch.no_grad():
        parameters[0].zero_()
    moved(model, steps=5)
    state = plain_state(model)
    difference = torch.cat([state[name].flatten() for name, _ in made().named_parameters()]) - before
    basis, _ = torch.linalg.qr(torch.stack(directions, 1).double())
    off = difference.double() - basis @ (basis.T @ difference.double())
    assert difference.norm() > 1e-3
    assert off.norm() < 1e-5 * difference.norm() + 1e-6


def test_linear_moves_linear_layers_of_further_heads_too():
    model = made("aux_resnet18", 32)
    set_trainable(model, "linear")
    assert moved(copy.deepcopy(model), 32, steps=1) >= HEAD
    trains = {name.rpartition(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trains == {"head", "body.neck3.hidden", "body.neck4.hidden", "auxiliary_heads.0", "auxiliary_heads.1"}


@pytest.mark.parametrize("name", ["convnet", "tv:squeezenet1_1"])
def test_drawing_the_head_anew_changes_the_head_alone(name):
    model = made(name, 32)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    draw_head(model, seed=2)
    assert torch.equal(state, torch.get_rng_state())
    assert {key.split(".")[0] for key, value in model.state_dict().items() if not torch.equal(value, before[key])} == {
        "head"
    }
    set_trainable(model, "linear")
    assert all(parameter.requires_grad for parameter in model.head.parameters())


def test_a_transplanted_head_stays_and_its_projection_trains():
    model = transplant(made(), made(), projection=True)
    set_trainable(model, "head")
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        "model.head.weight",
        "model.head.bias",
        "projection.weight",
    }
    alone = transplant(made(), made(), single_head=True)
    with pytest.raises(InputError, match="leaves nothing to train"):
        set_trainable(alone, "head")


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("body.block.2", r"no parameter of convnet is called 'body\.block\.2'\. Did you mean 'body\.blocks\.2'\?"),
        ("heads", r"Did you mean 'head'\? Names begin with body\.blocks, head\.weight, head\.bias"),
        ("stage:4", r"there is no stage:4; convnet has 4 stages, 0 \(stem\) to 3 \(head\)"),
        ("stage:-5", "there is no stage:-5"),
        ("body,head,low_rank:2", "low_rank finds no weight that nothing else trains"),
        ("body,head,plane:2", "plane finds no weight"),
    ],
)
def test_what_names_nothing_is_refused(choice, said):
    with pytest.raises(InputError, match=said):
        set_trainable(made(), choice)


def test_adapters_and_directions_come_from_the_seed_and_leave_the_random_state():
    def values(choice, seed):
        model = made()
        state = torch.get_rng_state()
        set_trainable(model, choice, seed=seed)
        assert torch.equal(state, torch.get_rng_state())
        named = [*model.named_parameters(), *model.named_buffers()]
        return torch.cat([value.flatten().float() for name, value in named if "parametrizations" in name])

    for choice in ("low_rank:2", "plane:2"):
        assert torch.equal(values(choice, 1), values(choice, 1))
        assert not torch.equal(values(choice, 1), values(choice, 2))
