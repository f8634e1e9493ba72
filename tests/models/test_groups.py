import pytest
import torch

from modelheir.checks import InputError
from modelheir.models import build, freeze, layers, parameter_groups, stages
from modelheir.models.backward_compatible import transplant

CLASSES = ("a", "b", "c")


@pytest.mark.parametrize(
    ("name", "size", "count"),
    [
        ("mlp", 8, 3),  # two hidden layers, head
        ("convnet", 8, 4),
        ("resnet8", 32, 5),
        ("resnet9", 32, 5),
        ("resnet18_small", 32, 6),  # stem, four stages, head
        ("tv:resnet18", 32, 6),
        ("tv:densenet121", 32, 6),
        ("tv:squeezenet1_1", 32, 5),
        pytest.param("tv:vgg11", 32, 7, marks=pytest.mark.slow),  # five resolutions, hidden layers, head
        ("tv:mobilenet_v2", 32, 7),
        ("tv:shufflenet_v2_x0_5", 32, 5),
        ("tv:mnasnet0_5", 32, 6),
        ("tv:googlenet", 64, 6),
        ("tv:swin_t", 32, 6),
        ("tv:vit_b_32", 32, 14),  # stem, twelve blocks, head
        ("timm:resnet10t", 32, 6),
        ("tv:mobilenet_v3_small", 32, 7),
        ("timm:lcnet_050", 32, 7),  # stem, five resolutions and the first blocks, head
        ("timm:hgnetv2_b0", 32, 6),  # its stem is made like a block
        ("aux_resnet18", 32, 6),
        ("resnet10thin_wb", 32, 6),
        ("blocks_convnet", 32, 6),  # its first block keeps the resolution, and is made of two plain layers
        ("blocks_densenet", 32, 6),  # its last block keeps the resolution
        ("blocks_resnet", 32, 6),
        ("resnet18_StoDepth_lineardecay", 32, 6),
    ],
)
def test_every_parameter_is_in_one_stage(name, size, count):
    model = build(name, classes=CLASSES, image_size=size)
    groups = stages(model)
    assert len(groups) == count
    assert sorted(name for group in groups for name in group) == sorted(key for key, _ in model.named_parameters())
    assert all(groups)
    assert any(key.startswith("head.") for key in groups[-1])
    assert all(
        key.startswith(("head.", "auxiliary_heads.", "embedding.")) or "aux" in key or "neck" in key
        for key in groups[-1]
    )


def test_resnet_stages_are_its_layers():
    groups = stages(build("tv:resnet18", classes=CLASSES, image_size=32))
    assert groups[0] == ["body.conv1.weight", "body.bn1.weight", "body.bn1.bias"]
    for number in (1, 2, 3, 4):
        assert {name.split(".")[1] for name in groups[number]} == {f"layer{number}"}


@pytest.mark.parametrize("name", ["tv:resnet18", "timm:resnet10t", "mlp", "tv:mobilenet_v2"])
def test_stages_have_the_names_of_a_resnet(name):
    model = build(name, classes=CLASSES, image_size=32)
    found, groups = layers(model), stages(model)
    assert list(found.values()) == groups
    assert list(found) == ["conv1", *(f"layer{number}" for number in range(1, len(groups) - 1)), "fc"]


def test_multipliers_reach_the_right_parameters():
    model = build("tv:resnet18", classes=CLASSES, image_size=32)
    groups = parameter_groups(model, [0.1, 0.2, 0.3, 0.4, 0.5, 1.0])
    assert [multiplier for _, multiplier in groups] == [0.1, 0.2, 0.3, 0.4, 0.5, 1.0]
    assert any(parameter is model.body.layer3[0].conv1.weight for parameter in groups[3][0])
    assert sum(len(parameters) for parameters, _ in groups) == len(list(model.parameters()))


def test_parameters_that_do_not_train_are_left_out():
    model = build("tv:resnet18", classes=CLASSES, image_size=32)
    freeze(model.body.layer1)
    assert [multiplier for _, multiplier in parameter_groups(model, [0, 1, 2, 3, 4, 5])] == [0, 2, 3, 4, 5]


def test_wrong_length_names_the_count():
    model = build("tv:resnet18", classes=CLASSES, image_size=32)
    for count in (1, 3, 4, 7):
        with pytest.raises(InputError, match=rf"has {count} values, and tv:resnet18 has 6 stages.*give 6, or 5 and"):
            parameter_groups(model, [1.0] * count)


@pytest.mark.parametrize(
    ("name", "rates", "places"),
    [
        (
            "tv:resnet50",
            (0.05, 0.06, 0.1, 0.11, 0.15),
            ("body.conv1", "body.layer1", "body.layer2", "body.layer3", "body.layer4"),
        ),
        (
            "timm:hgnetv2_b0",
            (0.05, 0.06, 0.1, 0.11, 0.15),
            ("body.stem", "body.stages.0", "body.stages.1", "body.stages.2", "body.stages.3"),
        ),
        (
            "timm:lcnet_050",  # conv1, blocks2..6: the fifth resolution has its widest blocks apart
            (0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
            ("body.conv_stem", "body.blocks.0", "body.blocks.1", "body.blocks.2", "body.blocks.4", "body.blocks.5"),
        ),
    ],
)
def test_lists_without_the_head_are_those_of_the_documents(name, rates, places):
    model = build(name, classes=CLASSES, image_size=32)
    found = {id(p): rate for parameters, rate in parameter_groups(model, rates) for p in parameters}
    for place, rate in zip(places, rates, strict=True):
        assert {found[id(p)] for p in model.get_submodule(place).parameters()} == {rate}
    assert {found[id(p)] for p in model.head.parameters()} == {1.0}
    assert len(found) == len(list(model.parameters()))


def test_transplanted_head_belongs_to_the_last_stage():
    old, new = (build("convnet", classes=CLASSES, image_size=8, seed=seed) for seed in (0, 1))
    model = transplant(new, old)
    groups = stages(model)
    assert sorted(name for group in groups for name in group) == sorted(key for key, _ in model.named_parameters())
    assert any(key.startswith("old_head") for key in groups[-1])
    assert sum(len(p) for p, _ in parameter_groups(model, [1.0] * 4)) == len(list(new.parameters()))
    assert isinstance(parameter_groups(model, [1.0] * 4)[0][0][0], torch.Tensor)
