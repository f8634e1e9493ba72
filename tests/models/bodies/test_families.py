import pytest
import torch
import torchvision
from torch import nn

from modelheir.checks import InputError
from modelheir.models.bodies.families import split_timm, split_torchvision


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_logits_are_the_librarys(name):
    size = {"googlenet": 64, "inception_v3": 299}[name]
    net = torchvision.models.get_model(
        name, weights=None, num_classes=5, init_weights=True, dropout=0.0, transform_input=True
    )
    if name == "googlenet":
        net.aux1.dropout.p = net.aux2.dropout.p = 0.0
    images = torch.rand(2, 3, size, size)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.0
    with torch.no_grad():
        theirs = net.train()(images)
        split = split_torchvision(net, 5)
        features, inner = split.body.train().forward_auxiliary(images)
        ours = [split.head(features), *(head(x) for head, x in zip(split.auxiliary_heads, inner, strict=True))]
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
    assert split.auxiliary_sizes == tuple(x.shape[1] for x in inner)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_without_auxiliary_heads(name):
    net = torchvision.models.get_model(name, weights=None, num_classes=5, init_weights=True, aux_logits=False)
    split = split_torchvision(net, 5)
    assert split.auxiliary_heads == ()
    assert split.body.eval()(torch.rand(1, 3, 80, 80)).shape == (1, split.feature_size)


@pytest.mark.parametrize(
    ("name", "size", "rate"),
    [("mobilenet_v2", 32, 0.2), ("squeezenet1_1", 32, 0.5), ("shufflenet_v2_x0_5", 32, 0.0), ("mnasnet0_5", 32, 0.2)],
)
def test_parts_say_what_the_whole_said(name, size, rate):
    net = torchvision.models.get_model(name, weights=None, num_classes=5).eval()
    images = torch.rand(2, 3, size, size)
    with torch.no_grad():
        whole = net(images)
        split = split_torchvision(net, 5)
        found = split.body(images)
        torch.testing.assert_close(split.head(found), whole)
    assert split.dropout == rate
    assert not any(isinstance(part, nn.Dropout) for part in split.body.modules())
    assert found.shape[1] == split.feature_size


def test_networks_without_one_last_layer_are_refused():
    with pytest.raises(InputError, match="no linear classifier layer"):
        split_torchvision(nn.Sequential(nn.Conv2d(3, 5, 1)), 5)
    with pytest.raises(InputError, match="timm:odd does not end in one linear"):
        split_timm(nn.Sequential(nn.Linear(3, 5)), "odd")
