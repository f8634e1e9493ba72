import pytest
import torch

from modelheir.models import build
from modelheir.models.bodies.small import SMALL, ConvNet, ResNet8, ResNet9, mlp


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def conv(inner, outer, kernel=3):
    return inner * outer * kernel**2 + 2 * outer  # with the two vectors of batch normalisation


def test_parameter_counts_by_hand():
    assert count(mlp(image_size=4, hidden=(6, 5))) == 48 * 6 + 6 + 6 * 5 + 5
    assert count(ConvNet(blocks=3, width=4)) == conv(3, 4) + conv(4, 8) + conv(8, 16)
    blocks = sum(conv(a, b) + conv(b, b) + (conv(a, b, 1) if a != b else 0) for a, b in ((16, 16), (16, 32), (32, 64)))
    assert count(ResNet8()) == conv(3, 16) + blocks
    residual = sum(2 * conv(n, n) for n in (128, 512))
    assert count(ResNet9()) == conv(3, 64) + conv(64, 128) + conv(128, 256) + conv(256, 512) + residual


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [8, 32])
def test_trains_one_step(name, size):
    model = build(name, classes=("a", "b", "c"), image_size=size)
    images, labels = torch.rand(4, 3, size, size), torch.tensor([0, 1, 2, 0])
    outputs = model(images)
    assert outputs.features.shape == (4, model.feature_size)
    torch.nn.functional.cross_entropy(outputs.logits, labels).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    assert model.eval()(images[:1]).logits.shape == (1, 3)


def test_small_resnet_keeps_the_resolution_through_its_stem():
    body = build("resnet18_small", classes=("a", "b"), image_size=32).body
    assert [stage.shape[-1] for stage in body.forward_stages(torch.rand(1, 3, 32, 32))] == [32, 16, 8, 4]


def test_many_at_once_under_vmap():
    models = [ConvNet(blocks=2, width=4).eval() for _ in range(3)]
    parameters, buffers = torch.func.stack_module_state(models)
    images = torch.rand(5, 3, 8, 8)

    def call(p, b):
        return torch.func.functional_call(models[0], (p, b), (images,))

    found = torch.vmap(call)(parameters, buffers)
    torch.testing.assert_close(found, torch.stack([model(images) for model in models]))


def test_mistakes():
    with pytest.raises(ValueError, match="blocks must be from 1 to 6"):
        ConvNet(blocks=0)
    with pytest.raises(ValueError, match="image_size must be >= 1"):
        mlp(image_size=0)
