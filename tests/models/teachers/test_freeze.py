import copy

import pytest
import torch
from torch import nn

from modelheir.models import build, freeze, linear_only, state_hash

CLASSES = ("a", "b", "c")


def step(model, parameters, images=None):
    optimizer = torch.optim.SGD([p for p in parameters if p.requires_grad], lr=0.1)
    images = torch.rand(4, 3, 16, 16) if images is None else images
    nn.functional.cross_entropy(model(images).logits, torch.tensor([0, 1, 2, 0])).backward()
    optimizer.step()


@pytest.mark.parametrize("name", ["convnet", "resnet10thin_wb", "tv:mobilenet_v2"])
def test_frozen_is_unchanged_by_training(name):
    model = build(name, classes=CLASSES, image_size=32)
    old = freeze(copy.deepcopy(model))
    before = state_hash(old)
    both = nn.ModuleDict({"old": old, "new": model}).train()
    images = torch.rand(4, 3, 32, 32)
    assert not any(module.training for module in old.modules())
    difference = (both["new"](images).logits - both["old"](images).logits).square().mean()
    difference.backward()
    step(model, both.parameters(), images)
    assert state_hash(old) == before
    assert state_hash(model) != before


def test_frozen_survives_copying():
    frozen = copy.deepcopy(freeze(build("convnet", classes=CLASSES, image_size=8)))
    frozen.train()
    assert not any(module.training for module in frozen.modules())
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_hash_sees_every_buffer_and_half_precision():
    model = build("convnet", classes=CLASSES, image_size=8)
    before = state_hash(model)
    model.mean += 1  # a buffer that is not saved
    assert state_hash(model) != before
    assert len(state_hash(model.to(torch.bfloat16))) == 64


def test_linear_only_moves_linear_layers_alone():
    model = linear_only(build("aux_resnet18", classes=CLASSES, image_size=32))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step(model.train(), model.parameters(), torch.rand(4, 3, 32, 32))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"head.weight", "head.bias"}
    trainable = {name.rpartition(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trainable == {"head", "body.neck3.hidden", "body.neck4.hidden", "auxiliary_heads.0", "auxiliary_heads.1"}


@pytest.mark.parametrize("name", ["convnet", "tv:squeezenet1_1"])
def test_reinit_draws_the_head_alone_and_nothing_else(name):
    model = build(name, classes=CLASSES, image_size=32, seed=1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    linear_only(model, reinit=True, seed=2)
    assert torch.equal(state, torch.get_rng_state())
    moved = {key.split(".")[0] for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"head"}
    assert all(parameter.requires_grad for parameter in model.head.parameters())
