import numpy as np
import pytest
import torch

from modelheir.losses import seeded_conv, seeded_linear


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("relu", "fan", "expected"), [(False, "in", 1 / 300), (True, "in", 2 / 300), (True, "out", 2 / 200)]
)
def test_spread_of_a_linear_layer(relu, fan, expected):
    layer = seeded_linear(300, 200, generator=generator(), relu=relu, fan=fan)
    assert layer.weight.var().item() == pytest.approx(expected, rel=0.03)
    assert layer.weight.mean().item() == pytest.approx(0, abs=1e-3)
    assert (layer.bias == 0).all()


@pytest.mark.parametrize(
    ("relu", "fan", "expected"), [(False, "in", 1 / 540), (True, "in", 2 / 540), (True, "out", 2 / 360)]
)
def test_spread_of_a_convolution(relu, fan, expected):
    layer = seeded_conv(60, 40, size=3, generator=generator(), relu=relu, fan=fan)
    assert layer.weight.shape == (40, 60, 3, 3)
    assert layer.weight.var().item() == pytest.approx(expected, rel=0.05)


def test_a_convolution_of_one_place_is_a_linear_layer_at_each(draw):
    conv, maps = seeded_conv(3, 5, generator=generator()), draw(2, 3, 4, 2)
    weight = conv.weight.detach().numpy()[:, :, 0, 0]
    np.testing.assert_allclose(
        conv(maps).detach(), np.einsum("oc,nchw->nohw", weight, maps.numpy()), rtol=1e-4, atol=1e-6
    )


def test_the_generator_alone_decides_and_the_global_one_is_left():
    before = torch.get_rng_state()
    for make in (seeded_linear, seeded_conv):
        a, b, c = (make(3, 2, generator=generator(seed)) for seed in (1, 1, 2))
        assert torch.equal(a.weight, b.weight)
        assert not torch.equal(a.weight, c.weight)
        assert a.weight.requires_grad
        assert make(3, 2, generator=generator(), bias=False).bias is None
    assert torch.equal(before, torch.get_rng_state())
