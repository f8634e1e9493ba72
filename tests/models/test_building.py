import json

import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import build, from_spec, state_hash

TEN = tuple("abcdefghij")


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"),
    # the three named values are those of the published architectures with ten classes
    [("tv:resnet18", 11_181_642), ("tv:densenet121", 6_964_106), ("resnet10thin_wb", 310_026)],
)
def test_parameter_counts(name, parameters):
    assert count(build(name, classes=TEN, image_size=32)) == parameters


def test_same_seed_same_weights_and_no_side_effect():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = state_hash(build("convnet", classes=TEN, image_size=8, seed=3))
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(7)
    assert state_hash(build("convnet", classes=TEN, image_size=8, seed=3)) == first
    assert state_hash(build("convnet", classes=TEN, image_size=8, seed=4)) != first


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("convnet", {"kwargs": {"blocks": 2, "width": 4}, "embedding": 5, "head": "cosine"}),
        ("mlp", {"kwargs": {"hidden": [6, 5]}, "dropout": 0.5}),
        ("tv:squeezenet1_1", {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}),
        ("aux_resnet18", {"auxiliary": "max", "kwargs": {"width": 16}}),
        ("resnet18_StoDepth_lineardecay", {"kwargs": {"keep_last": 0.8, "multiply": False}}),
        ("convnet", {"mimo_members": 3, "mimo_repeat": 0.2}),
        ("timm:resnet10t", {"resolution": 40}),
    ],
)
def test_description_rebuilds_the_network(name, settings):
    model = build(name, classes=TEN[:3], image_size=32, config=NetworkConfig(**settings), seed=2)
    twin = from_spec(json.loads(json.dumps(model.spec)))
    assert twin.spec == model.spec
    assert state_hash(twin) == state_hash(model)
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(twin.eval()(images).logits, model.eval()(images).logits)


def test_settings_of_the_architecture_keep_their_types():
    model = build("tv:densenet121", classes=TEN, image_size=32, config=NetworkConfig(kwargs={"memory_efficient": True}))
    assert model.body.features.denseblock1.denselayer1.memory_efficient is True
    model(torch.rand(2, 3, 32, 32)).logits.sum().backward()
    assert model.body.features.conv0.weight.grad is not None


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("tv:resnet19", {}, "Did you mean 'resnet18'"),
        ("timm:resnet18dd", {}, "unknown timm network"),
        ("resnet9x", {}, "Did you mean 'resnet9'"),
        ("resnet18", {}, "Did you mean 'tv:resnet18'"),
        ("convnet", {"kwargs": {"widht": 3}}, "widht"),
        ("convnet", {"kwargs": {"blocks": 9}}, "blocks must be from 1 to 6"),
        ("convnet", {"pretrained": True}, "no published weights"),
        ("resnet10thin_wb", {"pretrained": True}, "no pretrained weights"),
        ("convnet", {"auxiliary": "avg"}, "no auxiliary heads"),
        ("mb_resnet18", {"mimo_members": 2}, "auxiliary heads"),
        ("convnet", {"head": "cosin"}, "network.head = 'cosin'.*Did you mean 'cosine'"),
        ("convnet", {"dropout": 1.5}, "network.dropout = 1.5: must be from 0 to 1"),
        ("convnet", {"mean": (0.5,)}, "three numbers"),
        ("tv:alexnet", {}, "cannot take images of 32 pixels"),
        ("tv:inception_v3", {}, "cannot take images of 32 pixels"),
        ("tv:vit_b_16", {"kwargs": {"image_size": 20}}, "vit_b_16"),
    ],
)
def test_mistakes_are_sentences(name, settings, message):
    with pytest.raises(InputError, match=message):
        build(name, classes=TEN, image_size=32, config=NetworkConfig(**settings))


def test_class_list_is_checked():
    with pytest.raises(InputError, match="at least one class"):
        build("convnet", classes=(), image_size=8)
    with pytest.raises(InputError, match="differ"):
        build("convnet", classes=("a", "a"), image_size=8)


def test_description_with_unknown_setting():
    spec = build("convnet", classes=TEN, image_size=8).spec
    with pytest.raises(InputError, match="Did you mean 'dropout'"):
        from_spec({**spec, "network": {"dropuot": 0.5}})
    with pytest.raises(InputError, match="lacks 'classes'"):
        from_spec({key: value for key, value in spec.items() if key != "classes"})
