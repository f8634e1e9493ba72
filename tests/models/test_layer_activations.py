import numpy as np
import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.models import build
from modelheir.models.layer_activations import layer_activations
from modelheir.models.teachers.freeze import state_hash
from modelheir.types import Batch

LAYERS = {"conv1": "body.stem", "layer1": "body.stages.0", "fc": "head"}


@pytest.fixture
def model():
    model = build("resnet8", classes=["a", "b", "c"], image_size=8, seed=3)
    for seed in range(3):
        model(torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(seed)))  # moves the running statistics
    return model


def batches(sizes=(4, 3)):
    generator = torch.Generator().manual_seed(5)
    return [Batch(torch.rand(n, 3, 8, 8, generator=generator), torch.zeros(n).long(), torch.arange(n)) for n in sizes]


def test_rows_are_what_the_parts_say_by_hand(model):
    found = layer_activations(model, LAYERS, batches())
    images = torch.cat([batch.inputs for batch in batches()])
    with torch.no_grad():
        model.eval()
        x = model.body.stem(model.prepare(images))
        np.testing.assert_allclose(found["conv1"], x.flatten(1).numpy(), atol=1e-6)
        np.testing.assert_allclose(found["layer1"], model.body.stages[0](x).flatten(1).numpy(), atol=1e-6)
        np.testing.assert_allclose(found["fc"], model(images).logits.numpy(), atol=1e-6)
    assert found["conv1"].shape == (7, 16 * 8 * 8)


def test_by_the_older_rule_the_images_normalise_themselves(model):
    found = layer_activations(model, LAYERS, batches(), rule="compat")
    images = torch.cat([batch.inputs for batch in batches()])
    with torch.no_grad():
        x = model.body.stem[0](model.eval().prepare(images)).double()
        norm = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    np.testing.assert_allclose(found["conv1"], norm.clamp(min=0).flatten(1).numpy(), atol=1e-4)
    again = layer_activations(model, LAYERS, batches((7,)), rule="compat")
    assert set(found) == set(again) == set(LAYERS)
    assert not np.allclose(found["conv1"], layer_activations(model, LAYERS, batches())["conv1"], atol=1e-2)


@pytest.mark.parametrize("rule", ["fixed", "compat"])
def test_the_network_stays_as_it_is(model, rule):
    before = state_hash(model)
    model.train()
    layer_activations(model, LAYERS, batches(), rule=rule)
    assert state_hash(model) == before
    assert model.training


def test_dropout_is_off_by_either_rule():
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    rows = [Batch(torch.ones(3, 4), torch.zeros(3).long(), torch.arange(3))]
    for rule in ("fixed", "compat"):
        found = layer_activations(net.train(), {"a": "0", "b": "1"}, rows, rule=rule)
        np.testing.assert_array_equal(found["a"], found["b"])


def test_what_is_not_there_is_refused(model):
    with pytest.raises(InputError, match=r"Did you mean 'body\.stem'"):
        layer_activations(model, {"conv1": "body.stm"}, batches())
    with pytest.raises(InputError, match="Did you mean 'compat'"):
        layer_activations(model, LAYERS, batches(), rule="compatt")
    with pytest.raises(ValueError, match="batches must be >= 1"):
        layer_activations(model, LAYERS, [])
