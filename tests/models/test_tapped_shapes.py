"""Shapes and ends of resolutions are those of real calls, and finding them moves nothing."""

import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.models import Taps, build, freeze, stage_taps, state_hash, tap_shapes, transplant

CLASSES = ("a", "b", "c")


def made(name, size=64):
    return build(name, classes=CLASSES, image_size=size)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("convnet", [(f"body.blocks.{one}", (32 * 2**one, 64 // 2**one, 64 // 2**one)) for one in range(3)]),
        (
            "tv:resnet18",
            [
                ("body.relu", (64, 32, 32)),
                ("body.layer1", (64, 16, 16)),
                ("body.layer2", (128, 8, 8)),
                ("body.layer3", (256, 4, 4)),
                ("body.layer4", (512, 2, 2)),
            ],
        ),
        (
            "tv:densenet121",  # its last norm is overwritten by a ReLU in place
            [
                ("body.features.relu0", (64, 32, 32)),
                ("body.features.denseblock1", (256, 16, 16)),
                ("body.features.denseblock2", (512, 8, 8)),
                ("body.features.denseblock3", (1024, 4, 4)),
                ("body.features.denseblock4", (1024, 2, 2)),
            ],
        ),
        (
            "tv:mobilenet_v3_small",
            [
                ("body.features.0", (16, 32, 32)),
                ("body.features.1", (16, 16, 16)),
                ("body.features.3", (24, 8, 8)),
                ("body.features.8", (48, 4, 4)),
                ("body.features.12", (576, 2, 2)),
            ],
        ),
        (
            "timm:lcnet_050",  # its last layers come after the pooling
            [
                ("body.blocks.0", (16, 32, 32)),
                ("body.blocks.1", (32, 16, 16)),
                ("body.blocks.2", (64, 8, 8)),
                ("body.blocks.4", (128, 4, 4)),
                ("body.blocks.5", (256, 2, 2)),
            ],
        ),
        (
            "timm:hgnetv2_b0",
            [
                ("body.stages.0", (64, 16, 16)),
                ("body.stages.1", (256, 8, 8)),
                ("body.stages.2", (512, 4, 4)),
                ("body.stages.3", (1024, 2, 2)),
            ],
        ),
    ],
)  # fmt: skip
def test_each_resolution_ends_where_the_architecture_says(name, expected):
    model = made(name)
    before, modes = state_hash(model), [module.training for module in model.modules()]
    assert stage_taps(model, 64) == expected
    assert tap_shapes(model, [path for path, _ in expected], 64) == dict(expected)
    assert state_hash(model) == before
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("name", ["resnet8", "resnet9", "aux_resnet18", "tv:squeezenet1_1", "tv:googlenet", "tv:vgg11"])
def test_a_training_step_gives_what_was_promised(name):
    model = made(name)
    found = dict(stage_taps(model, 64))
    with Taps(model.train(), found).record() as real:
        model(torch.rand(2, 3, 64, 64))
    assert {path: tuple(value.shape[1:]) for path, value in real.items()} == found
    sizes = [shape[1] for shape in found.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes) >= 3


def test_a_transformer_gives_its_blocks():
    found = stage_taps(made("timm:vit_tiny_patch16_224"), 64)
    assert found == [(f"body.blocks.{number}", (17, 192)) for number in range(12)]


@pytest.mark.parametrize(("name", "said"), [("mlp", "has no maps with positions"), ("tv:swin_t", "channels last")])
def test_networks_without_such_maps_are_refused(name, said):
    with pytest.raises(InputError, match=f"{name} .*{said}"):
        stage_taps(made(name, 32), 32)


def test_a_transplanted_and_a_partly_frozen_network_keep_their_modes():
    model = transplant(made("convnet"), made("convnet"))
    freeze(model.model.body.blocks[0])
    model.model.body.blocks[1].eval()
    modes = {name: module.training for name, module in model.named_modules()}
    assert [path for path, _ in stage_taps(model, 16)] == [f"model.body.blocks.{number}" for number in range(3)]
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert not modes["model.body.blocks.0"]
    assert modes["model.body.blocks.2"]


def test_shapes_of_inputs_and_of_any_module_and_type():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)).double()
    assert tap_shapes(net, ["0:in", "0", "1"], 6) == {"0:in": (3, 6, 6), "0": (4, 4, 4), "1": (4, 4, 4)}
    assert int(net[1].num_batches_tracked) == 0
    assert net[1].training
    with pytest.raises(InputError, match="no module of Sequential is called '7'"):
        tap_shapes(net, ["7"], 6)
