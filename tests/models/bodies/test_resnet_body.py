import pytest
import torch
from torchvision.models import resnet18

from modelheir.models.bodies.resnet_body import resnet_body


def test_features_are_those_of_torchvision():
    torch.manual_seed(0)
    body = resnet_body("resnet18").eval()
    net = resnet18()
    net.load_state_dict({**net.state_dict(), **body.state_dict()})
    net.fc = torch.nn.Identity()
    x = torch.randn(2, 3, 40, 40)
    torch.testing.assert_close(body(x), net.eval()(x))


def test_parameter_count_with_a_head_of_ten():
    body = resnet_body("resnet18")
    assert sum(p.numel() for p in body.parameters()) + 10 * (body.feature_size + 1) == 11_181_642


def test_widths_and_small_stem():
    body = resnet_body("resnet50", stem="small")
    assert body.stage_sizes == (256, 512, 1024, 2048)
    maps = body.eval().forward_stages(torch.randn(1, 3, 16, 16))
    assert [tuple(m.shape[1:]) for m in maps] == [(256, 16, 16), (512, 8, 8), (1024, 4, 4), (2048, 2, 2)]


def test_stride_of_a_bottleneck_is_on_the_3x3():
    block = resnet_body("resnet50").layer2[0]
    assert (block.conv1.stride, block.conv2.stride) == ((1, 1), (2, 2))


def test_pretrained_weights_do_not_fit_the_small_stem():
    with pytest.raises(ValueError, match="fit the standard stem only"):
        resnet_body("resnet18", pretrained=True, stem="small")


def test_unknown_stem_offers_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'small'"):
        resnet_body("resnet18", stem="smalls")  # type: ignore[arg-type]
