"""Stem, blocks, head: shapes, weights and outputs of the three families."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import DenseNet, densenet121, resnet18

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import build, layers, load, set_trainable
from modelheir.models.bodies import blocks as module
from modelheir.models.bodies.blocks import FAMILIES, blocks_convnet, blocks_densenet, blocks_resnet
from modelheir.models.building import from_spec

MAKE = {"blocks_convnet": blocks_convnet, "blocks_densenet": blocks_densenet, "blocks_resnet": blocks_resnet}
SHAPES = {  # after stem and blocks, for images of 32 pixels
    ("blocks_convnet", 1): [(64, 8), (512, 4)],
    ("blocks_convnet", 4): [(64, 8), (64, 8), (128, 4), (256, 2), (512, 1)],
    ("blocks_convnet", 5): [(64, 8), (64, 8), (128, 8), (256, 4), (512, 2), (512, 1)],
    ("blocks_resnet", 2): [(64, 8), (128, 4), (512, 2)],
    ("blocks_resnet", 4): [(64, 8), (64, 8), (128, 4), (256, 2), (512, 1)],
    ("blocks_densenet", 1): [(64, 8), (576, 8)],
    ("blocks_densenet", 3): [(64, 8), (128, 4), (256, 2), (768, 2)],
    ("blocks_densenet", 4): [(64, 8), (128, 4), (256, 2), (512, 1), (1024, 1)],
    ("blocks_densenet", 5): [(64, 8), (128, 4), (256, 2), (512, 1), (640, 1), (1152, 1)],
}


def made(name, blocks=2, size=32, classes=("a", "b", "c"), **kwargs):
    return build(name, classes=classes, image_size=size, config=NetworkConfig(kwargs={"blocks": blocks, **kwargs}))


def maps(body, images):
    found = []
    for name in ("conv1", *body.layers):
        images = body.get_submodule(name)(images)
        found.append(images)
    return found


@pytest.mark.parametrize(("name", "count"), SHAPES)
def test_maps_after_each_layer(name, count):
    body = MAKE[name](blocks=count).eval()
    found = maps(body, torch.randn(2, 3, 32, 32))
    assert [(one.shape[1], one.shape[-1]) for one in found] == SHAPES[name, count]
    assert [(a, b) for a, b, _ in body.shapes] == [
        (a, b) for (a, _), (b, _) in zip(SHAPES[name, count], SHAPES[name, count][1:], strict=False)
    ]
    assert body.feature_size == found[-1].shape[1]


def test_four_residual_blocks_are_resnet_18_and_take_its_weights(tmp_path):
    net = resnet18(num_classes=3).eval()
    torch.save(net.state_dict(), tmp_path / "resnet18.pth")
    ours = load(f"file:{tmp_path / 'resnet18.pth'}:blocks_resnet", classes=("a", "b", "c")).eval()
    images = torch.rand(2, 3, 40, 40)
    torch.testing.assert_close(ours(images).logits, net(ours.prepare(images)))


def test_published_weights_fill_stem_and_blocks(monkeypatch):
    net = resnet18().eval()
    monkeypatch.setattr(
        module, "get_model", lambda name, weights: net if (name, weights) == ("resnet18", "DEFAULT") else 0
    )
    config = NetworkConfig(pretrained=True)
    ours = build("blocks_resnet", classes=("a", "b"), image_size=32, config=config).eval()
    net.fc = nn.Identity()
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(ours(images).features, net(ours.prepare(images)))
    assert from_spec(ours.spec).spec == ours.spec  # fetches nothing


def test_four_dense_blocks_are_densenet_121():
    net, body = densenet121().eval(), blocks_densenet().eval()
    assert isinstance(net, DenseNet)
    theirs = {key: value for key, value in net.state_dict().items() if not key.startswith("classifier")}
    ours = {}
    names = {"conv1.0": "conv0", "conv1.1": "norm0", "neck.0": "norm5"}
    for key in body.state_dict():
        path, _, kind = key.rpartition(".")
        block, _, rest = path.partition(".")
        if path in names:
            there = names[path]
        else:
            number, (index, _, part) = int(block.removeprefix("layer")), rest.partition(".")
            last = part in ("norm", "conv")
            there = f"transition{number}.{part}" if last else f"denseblock{number}.denselayer{int(index) + 1}.{part}"
        ours[key] = theirs.pop(f"features.{there}.{kind}")
    assert not theirs
    body.load_state_dict(ours)
    images = torch.randn(2, 3, 32, 32)
    net.classifier = nn.Identity()
    torch.testing.assert_close(body(images), net(images))


def test_a_block_of_the_convnet_is_a_convolution_and_a_normalisation():
    body = blocks_convnet(blocks=1).eval()
    x, images = torch.randn(2, 64, 8, 8), torch.randn(2, 3, 16, 16)
    conv, norm = body.layer1
    by_hand = F.conv2d(x, conv.weight, stride=2, padding=1) / (1 + norm.eps) ** 0.5
    torch.testing.assert_close(body.layer1(x), by_hand)
    assert (body.layer1(x) < 0).any()
    stem = torch.relu(F.conv2d(images, body.conv1[0].weight, stride=2, padding=3) / (1 + norm.eps) ** 0.5)
    torch.testing.assert_close(body.conv1(images), F.max_pool2d(stem, 3, stride=2, padding=1))


@pytest.mark.parametrize("name", FAMILIES)
def test_dropout_is_behind_every_layer_but_the_head_and_in_training_alone(name, monkeypatch):
    body = MAKE[name](blocks=2, dropout=0.5)
    seen = []
    real = F.dropout
    monkeypatch.setattr(module.F, "dropout", lambda x, p, training: seen.append((x.shape, p)) or real(x, p, training))
    images = torch.randn(4, 3, 32, 32)
    body.train()(images)
    assert seen == [(one.shape, 0.5) for one in maps(body, images)]
    body.eval()
    assert torch.equal(body(images), body(images))
    body.dropout = 0.0
    plain = body.train()(images)
    body.dropout = 0.5
    assert not torch.allclose(body(images), plain)


@pytest.mark.parametrize("size", [8, 32])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_weight_learns(name, size):
    model = made(name, 3, size)
    labels = torch.tensor([0, 1, 2, 0])
    F.cross_entropy(model(torch.rand(4, 3, size, size)).logits, labels).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_layers_are_named_groups(name):
    model = made(name, 4)
    found = layers(model)
    assert list(found) == ["conv1", "layer1", "layer2", "layer3", "layer4", "fc"]
    assert sorted(key for group in found.values() for key in group) == sorted(
        key for key, _ in model.named_parameters()
    )
    assert all(key.startswith(f"body.{layer}.") for layer in list(found)[:-1] for key in found[layer])
    neck = ["body.neck.0.weight", "body.neck.0.bias"] if name == "blocks_densenet" else []
    assert sorted(found["fc"]) == sorted([*neck, "head.weight", "head.bias"])
    set_trainable(model, "layer2,fc")
    assert {key for key, p in model.named_parameters() if p.requires_grad} == {*found["layer2"], *found["fc"]}
    trains = {
        path for path, part in model.train().named_modules() if isinstance(part, nn.BatchNorm2d) and part.training
    }
    assert trains == {
        key.removesuffix(".weight") for key in found["layer2"] + neck if f"{key[:-6]}running_mean" in model.state_dict()
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_many_at_once_under_vmap(name):
    models = [MAKE[name](blocks=2).eval() for _ in range(2)]
    parameters, buffers = torch.func.stack_module_state(models)
    images = torch.rand(3, 3, 32, 32)

    def call(p, b):
        return torch.func.functional_call(models[0], (p, b), (images,))

    found = torch.vmap(call)(parameters, buffers)
    torch.testing.assert_close(found, torch.stack([model(images) for model in models]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("blocks_resnet", {"pretrained": True, "kwargs": {"blocks": 2}}, "published weights for 4 blocks, not for 2"),
        ("blocks_convnet", {"pretrained": True}, "blocks_convnet has no pretrained weights"),
        ("blocks_densenet", {"pretrained": True}, "blocks_densenet has no pretrained weights"),
        ("blocks_convnet", {"kwargs": {"blocks": 0}}, "blocks must be >= 1, got 0"),
        ("blocks_densenet", {"kwargs": {"blocks": -1}}, "blocks must be >= 1, got -1"),
        ("blocks_resnet", {"kwargs": {"dropout": 1.5}}, "dropout must be from 0 to 1"),
        ("blocks_resnets", {}, "Did you mean 'blocks_resnet'"),
    ],
)
def test_mistakes(name, config, said):
    with pytest.raises(InputError, match=said):
        build(name, classes=("a", "b"), image_size=32, config=NetworkConfig(**config))


def test_a_misspelt_layer_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"is called 'layer5'.*Did you mean 'layer[1-4]'"):
        set_trainable(made("blocks_convnet", 4), "layer5")
