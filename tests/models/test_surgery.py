"""A cut network computes what its parts compute by hand, and trains what lies behind the cut."""

import copy

import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.models import Taps, build, state_hash
from modelheir.models.surgery import freeze_before, replace_layers, stop_after

CLASSES = ("a", "b", "c")
TOKENS = ("body.cls_token", "body.pos_embed")


def made(name="resnet8", size=16):
    return build(name, classes=CLASSES, image_size=size, seed=1).eval()


def images(size=16):
    return torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("path", ["body.stages.1", "body.stages[1][0]"])
def test_what_comes_after_is_gone(path):
    whole = made()
    with Taps(whole, [path]).record() as found:
        whole(images())
    cut = stop_after(copy.deepcopy(whole), path)
    outputs = cut(images())
    torch.testing.assert_close(outputs.logits, found[path].mean(dim=(2, 3)))
    torch.testing.assert_close(outputs.features, found[path].mean(dim=(2, 3)))
    kept = {name for name, _ in cut.named_parameters()}
    early = ("body.stem", "body.stages.0", "body.stages.1")
    assert kept == {name for name, _ in whole.named_parameters() if name.startswith(early)}
    assert isinstance(cut.head, nn.Identity)


def test_lists_and_dictionaries_that_come_after_pass_on_what_they_are_given():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.list = nn.Linear(2, 3), nn.ModuleList([nn.Linear(3, 4), nn.Linear(4, 5)])
            self.named = nn.ModuleDict({"a": nn.Linear(5, 6), "b": nn.ModuleList([nn.ReLU()])})

        def forward(self, x):
            x = self.first(x)
            for one in self.list:
                x = one(x)
            for one in self.named["b"]:
                x = one(x)
            return self.named["a"](x)

    net, x = Net(), torch.randn(4, 2)
    torch.testing.assert_close(stop_after(copy.deepcopy(net), "list.0")(x), net.list[0](net.first(x)))
    torch.testing.assert_close(stop_after(copy.deepcopy(net), "first")(x), net.first(x))


def test_library_networks_are_cut_between_their_stages():
    whole = made("tv:mobilenet_v3_small", 32)
    path = "body.features.3"
    with Taps(whole, [path], copy=True).record() as found:
        whole(images(32))
    torch.testing.assert_close(stop_after(whole, path)(images(32)).logits, found[path].flatten(1))


def test_the_last_module_leaves_everything():
    model = made()
    before = state_hash(model)
    assert stop_after(model, "head") is model
    assert state_hash(model) == before


@pytest.mark.parametrize(
    ("name", "path", "frozen"),
    [
        ("resnet8", "body.stages[0]", ("body.stem", "body.stages.0")),
        ("tv:resnet18", "body.layer2", ("body.conv1", "body.bn1", "body.layer1", "body.layer2")),
        ("timm:lcnet_050", "body.blocks.1", ("body.conv_stem", "body.bn1", "body.blocks.0", "body.blocks.1")),
        ("timm:vit_tiny_patch16_224", "body.blocks.0", (*TOKENS, "body.patch_embed", "body.blocks.0")),
    ],
)
def test_before_the_cut_nothing_moves_and_after_it_all_gradients_are_those_of_the_whole(name, path, frozen):
    whole = made(name, 32)
    cut = freeze_before(copy.deepcopy(whole), path)
    assert {key for key, p in cut.named_parameters() if not p.requires_grad} == {
        key for key, _ in whole.named_parameters() if key.startswith(tuple(f"{one}." for one in frozen) + frozen[:2])
    }
    for model in (whole, cut):
        model(images(32)).logits.square().sum().backward()
    for key, p in cut.named_parameters():
        if p.requires_grad:
            torch.testing.assert_close(p.grad, whole.get_parameter(key).grad)
            assert p.grad.abs().sum() > 0
        else:
            assert p.grad is None
    before = {key: value.clone() for key, value in cut.state_dict().items()}
    cut.train()(images(32))
    moved = {key for key, value in cut.state_dict().items() if not torch.equal(value, before[key])}
    assert not any(key.startswith(tuple(f"{one}." for one in frozen)) for key in moved)
    assert bool(moved) is any(isinstance(one, nn.BatchNorm2d) for one in cut.modules())


def test_layers_are_replaced_where_named_alone():
    model = made()
    paths = ["body.stages[0][0].first.2", "body.stem.2", "body.stem[2]"]
    seen = []
    replace_layers(model, paths, lambda old: seen.append(old) or nn.Sequential(nn.SiLU(), nn.BatchNorm2d(16)))
    assert len(seen) == 2
    assert all(type(one) is nn.ReLU for one in seen)
    found = {name for name, one in model.named_modules() if isinstance(one, nn.SiLU)}
    assert found == {"body.stages.0.0.first.2.0", "body.stem.2.0"}
    assert not any(one.training for one in model.modules())
    model(images())


def replace(model, path):
    return replace_layers(model, ["body.stem", path], copy.copy)


@pytest.mark.parametrize("cut", [stop_after, freeze_before, replace])
def test_a_path_that_is_not_there_leaves_the_network_alone(cut):
    model = made()
    before, modules = state_hash(model), list(model.modules())
    with pytest.raises(InputError, match=r"resnet8 is called 'body\.stage\.1'\. Did you mean 'body\.stages"):
        cut(model, "body.stage.1")
    assert state_hash(model) == before
    assert list(model.modules()) == modules
    assert all(p.requires_grad for p in model.parameters())


def test_one_inside_another_is_refused():
    with pytest.raises(InputError, match=r"'body\.stem\.0' lies inside 'body\.stem' of resnet8"):
        replace_layers(made(), ["body.stem.0", "body.stem"], copy.copy)
