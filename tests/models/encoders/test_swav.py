import pytest
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

from modelheir.checks import InputError
from modelheir.models import state_hash
from modelheir.models.encoders import load_encoder
from modelheir.models.encoders.swav import read_swav, wide_resnet_body

DEPTHS = (1, 1, 1, 1)


@pytest.mark.parametrize("base_width", [64, 96])
def test_one_unit_of_width_is_torchvision_s_resnet(base_width, draw):
    """Its features are the input of its last layer, which torchvision reads after an adaptive mean."""
    theirs = ResNet(Bottleneck, list(DEPTHS), width_per_group=base_width).eval()
    theirs.fc = nn.Identity()
    ours = wide_resnet_body(DEPTHS, base_width=base_width).eval()
    ours.load_state_dict(theirs.state_dict())
    images = draw(2, 3, 40, 40)
    torch.testing.assert_close(ours(images), theirs(images))


def test_the_documented_one_is_four_times_as_wide_everywhere():
    with torch.device("meta"):
        body = wide_resnet_body(widen=4)
    count = sum(parameter.numel() for parameter in body.parameters())
    assert body.feature_size == 4 * 2048 == 8192
    assert round(count / 1e6) == 375  # millions, as in figure 2 of the paper


def test_padding_in_two_steps_is_padding_in_one(draw):
    """The published code pads by one pixel and then by two in its first convolution; ours pads by three."""
    conv = wide_resnet_body(DEPTHS).conv1
    assert isinstance(conv, nn.Conv2d)
    images = draw(1, 3, 20, 20)
    twice = nn.functional.conv2d(nn.functional.pad(images, (1,) * 4), conv.weight, stride=2, padding=2)
    torch.testing.assert_close(conv(images), twice)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A file like the published ones, twice as wide and shallow: names behind ``module.``, with head and prototypes."""
    torch.manual_seed(0)
    body = wide_resnet_body(DEPTHS, widen=2)
    for module in body.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    state = {f"module.{key}": value for key, value in body.state_dict().items()}
    state |= {"module.projection_head.0.weight": torch.zeros(2, 2), "module.prototypes.weight": torch.zeros(3, 2)}
    path = tmp_path_factory.mktemp("swav") / "swav.pth.tar"
    torch.save(state, path)
    return path, body.eval()


def test_a_published_file_is_read_by_its_own_shapes(published):
    path, body = published
    assert state_hash(read_swav(path)) == state_hash(body)


def test_it_encodes_on_the_cpu_in_evaluation_mode(published, draw):
    """The older forward pass moved its input to CUDA, and its batch statistics drifted."""
    path, body = published
    found, images = load_encoder(f"encoder:swav:{path}", image_size=32), draw(2, 3, 32, 32).sigmoid()
    before = found(images)
    assert found.width == 4096
    assert torch.equal(found.train()(images), before)
    torch.testing.assert_close(before, body(found.prepare(images)))


def test_a_file_with_something_else_is_refused(tmp_path):
    torch.save({"conv1.weight": torch.zeros(10, 3, 7, 7)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other.pth holds no ResNet of SwAV"):
        read_swav(tmp_path / "other.pth")
    state = wide_resnet_body(DEPTHS).state_dict()
    del state["layer3.0.bn2.weight"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(InputError, match=r"cut.pth does not fit ResNetBody: 1 missing \(layer3.0.bn2.weight\)"):
        read_swav(tmp_path / "cut.pth")
