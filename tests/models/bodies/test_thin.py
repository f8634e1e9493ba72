import pytest
import torch
from torch import nn

from modelheir.models.bodies.thin import add_conv_bias, resnet10thin_wb, resnet_wb


def total(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameter_count_of_the_thin_net_from_its_layers():
    body = resnet10thin_wb()

    def conv(inner, outer, side):
        return inner * outer * side**2 + outer

    expected = conv(3, 16, 7)
    for inner, outer in ((16, 16), (16, 32), (32, 64), (64, 128)):
        expected += conv(inner, outer, 3) + conv(outer, outer, 3) + (conv(inner, outer, 1) if inner != outer else 0)
    assert total(body) == expected
    assert expected + 10 * 129 == 310_026
    assert body.feature_size == 128
    assert not any(isinstance(part, nn.BatchNorm2d) for part in body.modules())
    assert all(part.bias is not None for part in body.modules() if isinstance(part, nn.Conv2d))


def test_a_new_bias_changes_no_output():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 2, 1))
    x = torch.randn(2, 3, 5, 5)
    before = net(x)
    add_conv_bias(net)
    assert net[0].bias.shape == (4,)
    assert torch.equal(net(x), before)


@pytest.mark.parametrize("norm", ["batch", "identity"])
def test_wb_keeps_or_drops_the_normalisation(norm):
    body = resnet_wb("resnet18", norm=norm)
    norms = [part for part in body.modules() if isinstance(part, nn.BatchNorm2d)]
    convs = [part for part in body.modules() if isinstance(part, nn.Conv2d)]
    assert len(norms) == (20 if norm == "batch" else 0)
    assert len(convs) == 20
    assert all(part.bias is not None and not part.bias.any() for part in convs)


@pytest.mark.parametrize("build", [resnet10thin_wb, lambda **k: resnet_wb("resnet18", **k)])
def test_no_pretrained_weights(build):
    with pytest.raises(ValueError, match="no pretrained weights"):
        build(pretrained=True)
    assert build(pretrained=False).feature_size > 0


def test_unknown_setting_of_the_thin_net():
    with pytest.raises(ValueError, match="Did you mean 'widths'"):
        resnet10thin_wb(width=(1, 2, 3, 4))


def test_number_of_stages():
    with pytest.raises(ValueError, match="stages must be from 4 to 4, got 3"):
        resnet10thin_wb(widths=(8, 16, 32))


def test_blocks_and_norm_and_small_stem():
    body = resnet10thin_wb(widths=(4, 6, 8, 10), blocks=2, norm="batch", stem="small")
    assert [len(stage) for stage in (body.layer1, body.layer2, body.layer3, body.layer4)] == [2, 2, 2, 2]
    assert body(torch.randn(2, 3, 8, 8)).shape == (2, 10)
