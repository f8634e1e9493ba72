import copy
import pickle

import pytest
import torch
from torch import nn

from modelheir.models import build, freeze, state_hash

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


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_frozen_survives_copying_and_pickling(again):
    original = freeze(build("convnet", classes=CLASSES, image_size=8))
    frozen = again(original)
    assert frozen.train() is frozen
    assert not any(module.training for module in frozen.modules())
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_hash_sees_every_buffer_and_half_precision():
    model = build("convnet", classes=CLASSES, image_size=8)
    before = state_hash(model)
    model.mean += 1  # a buffer that is not saved
    assert state_hash(model) != before
    assert len(state_hash(model.to(torch.bfloat16))) == 64
