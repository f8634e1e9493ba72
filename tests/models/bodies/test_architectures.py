"""Every documented network, and every setting on a few of them, trains one step and evaluates once."""

import pytest
import torch

from modelheir.config.network import NetworkConfig
from modelheir.models import build, names

CLASSES = ("a", "b", "c")

QUICK = {  # the smallest of each family, at the fewest pixels that work
    "squeezenet1_1": 32, "shufflenet_v2_x0_5": 32, "mobilenet_v2": 32, "mnasnet0_5": 32, "resnet18": 32,
    "densenet121": 32, "googlenet": 32,
}  # fmt: skip
SLOW = {
    **dict.fromkeys(("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"), 32),
    **dict.fromkeys(("resnet34", "resnet50", "resnet101", "resnet152"), 32),
    **dict.fromkeys(("resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2"), 32),
    **dict.fromkeys(("densenet161", "densenet169", "densenet201"), 32),
    **dict.fromkeys(("shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"), 32),
    **dict.fromkeys(("mnasnet0_75", "mnasnet1_0", "mnasnet1_3", "squeezenet1_0", "swin_t"), 32),
    "alexnet": 64, "inception_v3": 299, "vit_b_32": 32, "efficientnet_b0": 32, "convnext_tiny": 32,
    "regnet_x_400mf": 32, "mobilenet_v3_small": 32, "maxvit_t": 32,
}  # fmt: skip
AUXILIARY = {"tv:googlenet": 2, "tv:inception_v3": 1}

OPTIONS = {
    "dropout": {"dropout": 0.5},
    "embedding": {"embedding": 6},
    "cosine": {"head": "cosine", "cosine_temperature": 0.1},
    "all three": {"dropout": 0.5, "embedding": 6, "head": "cosine"},
    "two members": {"mimo_members": 2},
    "three members": {"mimo_members": 3, "mimo_repeat": 0.0, "embedding": 6},
    "resolution": {"resolution": 48},
    "normalisation": {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)},
}


def train_and_evaluate(name, size, config=None, auxiliary=0):
    model = build(name, classes=CLASSES, image_size=size, config=config)
    images, labels = torch.rand(2, 3, size, size), torch.tensor([0, 2])
    outputs = model(images)
    assert outputs.logits.shape == (2, 3)
    assert outputs.features.shape == (2, model.feature_size)
    assert [logits.shape for logits in outputs.auxiliary] == [(2, 3)] * auxiliary
    loss = sum(torch.nn.functional.cross_entropy(logits, labels) for logits in (outputs.logits, *outputs.auxiliary))
    assert loss.isfinite()
    loss.backward()
    idle = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert not idle
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # two images on 1x1 maps make steep gradients
    torch.optim.SGD(model.parameters(), lr=1e-3).step()
    with torch.no_grad():
        outputs = model.eval()(images[:1])
    assert outputs.logits.shape == (1, 3)
    assert outputs.logits.isfinite().all()
    assert outputs.auxiliary == ()


@pytest.mark.parametrize("name", QUICK)
def test_torchvision(name):
    train_and_evaluate(f"tv:{name}", QUICK[name], auxiliary=AUXILIARY.get(f"tv:{name}", 0))


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_torchvision_larger(name):
    train_and_evaluate(f"tv:{name}", SLOW[name], auxiliary=AUXILIARY.get(f"tv:{name}", 0))


def _light(name):
    return "resne" not in name or any(part in name for part in ("resnet18", "thin", "resnet8", "resnet9"))


def _heads(name):
    return 2 if name.startswith(("aux_", "mb_")) else 0


@pytest.mark.parametrize("name", [name for name in names() if _light(name)])
def test_own_networks(name):
    train_and_evaluate(name, 32, auxiliary=_heads(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in names() if not _light(name)])
def test_own_networks_larger(name):
    train_and_evaluate(name, 32, auxiliary=_heads(name))


@pytest.mark.parametrize("name", ["timm:resnet10t", "timm:vit_tiny_patch16_224"])
def test_timm(name):
    train_and_evaluate(name, 32)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", ["convnet", "resnet8", "tv:resnet18", "tv:squeezenet1_1", "resnet10thin_wb"])
def test_options(name, option):
    config = NetworkConfig(**OPTIONS[option])
    train_and_evaluate(name, 32, config, auxiliary=config.mimo_members - 1)


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    "name", ["tv:densenet121", "tv:mobilenet_v2", "tv:swin_t", "resnet18_StoDepth_lineardecay", "resnet18_wb"]
)
def test_options_larger(name, option):
    config = NetworkConfig(**OPTIONS[option])
    train_and_evaluate(name, 64, config, auxiliary=config.mimo_members - 1)


@pytest.mark.parametrize("how", ["avg", "max"])
@pytest.mark.parametrize("name", ["aux_resnet18", "mb_resnet18", "tv:googlenet"])
def test_auxiliary_evaluation(name, how):
    train_and_evaluate(name, 64, NetworkConfig(auxiliary=how, dropout=0.2), auxiliary=2)


def test_the_matrix_has_every_documented_family():
    families = (
        "alexnet", "vgg", "resnet", "resnext", "wide_resnet", "densenet", "googlenet", "inception_v3", "squeezenet",
        "shufflenet_v2", "mobilenet_v2", "mnasnet", "swin",
    )  # fmt: skip
    tried = {**QUICK, **SLOW}
    assert len(tried) == len(QUICK) + len(SLOW)
    assert all(any(name.startswith(family) for name in tried) for family in families)
