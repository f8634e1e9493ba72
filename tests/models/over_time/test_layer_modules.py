"""A classifier as layers in order."""

import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import build, layers
from modelheir.models.bodies.blocks import FAMILIES
from modelheir.models.over_time import layer_names
from modelheir.models.over_time.layer_modules import layer_modules


@pytest.mark.parametrize("name", FAMILIES)
def test_layers_run_one_after_another(name):
    config = NetworkConfig(kwargs={"blocks": 2})
    model = build(name, classes=("a", "b", "c"), image_size=32, config=config).eval()
    images = torch.rand(2, 3, 32, 32)
    x = model.prepare(images)
    found = layer_modules(model)
    for layer in found.values():
        x = layer(x)
    expected = model(images)
    assert torch.equal(x[0], expected.logits)
    assert torch.equal(x[1], expected.features)
    assert list(found) == list(layers(model)) == list(layer_names(model)) == ["conv1", "layer1", "layer2", "fc"]
    for layer, names in layers(model).items():
        assert {id(p) for p in found[layer].parameters()} == {id(model.get_parameter(one)) for one in names}


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("convnet", {}),
        ("blocks_convnet", {"head": "cosine"}),
        ("blocks_convnet", {"embedding": 4}),
        ("blocks_convnet", {"mimo_members": 2}),
    ],
)
def test_other_networks_are_refused_in_a_sentence(name, config):
    model = build(name, classes=("a", "b"), image_size=32, config=NetworkConfig(**config))
    with pytest.raises(
        InputError, match=rf"{name} cannot change layer by layer over time: .*blocks_convnet, blocks_densenet"
    ):
        layer_modules(model)
