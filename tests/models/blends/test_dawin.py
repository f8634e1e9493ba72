import copy

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.checks import InputError
from modelheir.models import build, from_spec, load
from modelheir.models.blends.dawin import DaWin, dawin_share, need_one_network
from modelheir.models.files import export_onnx, export_safetensors
from modelheir.types import Outputs


class Net(nn.Module):
    """One hidden layer and a batch norm."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.body, self.head = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh()), nn.Linear(6, 3)
        self.body[1].running_mean.normal_()
        self.body[1].running_var.uniform_(0.5, 2.0)
        self.head.weight.data *= 6

    def forward(self, inputs):
        features = self.body(inputs)
        return Outputs(self.head(features), features)


def expected(start, tuned, levels):
    h0, h1 = (scipy.stats.entropy(scipy.special.softmax(z.double().numpy(), axis=1), axis=1) for z in (start, tuned))
    share = np.exp(-h1) / (np.exp(-h0) + np.exp(-h1))
    return np.round(share * (levels - 1)) / (levels - 1) if levels else share


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(2, 5), st.sampled_from([0, 2, 5, 11]), st.integers(0, 999))
def test_the_share_against_scipys_entropy(n, c, levels, seed):
    generator = torch.Generator().manual_seed(seed)
    start, tuned = (3 * torch.randn(n, c, generator=generator, dtype=torch.float64) for _ in range(2))
    share = dawin_share(start, tuned, levels=levels)
    np.testing.assert_allclose(share, expected(start, tuned, levels), rtol=1e-9)
    if not levels:
        torch.testing.assert_close(dawin_share(tuned, start), 1 - share)  # whoever is surer, in either order
        assert (share > 1 / (1 + c) - 1e-9).all()
        assert (share < c / (1 + c) + 1e-9).all()


@torch.no_grad()
@pytest.mark.parametrize("levels", [0, 21])
def test_each_image_is_answered_by_its_own_interpolated_model(draw, levels):
    start, tuned, images = Net(1).eval(), Net(2).eval(), draw(7, 4, scale=2.0)
    found = DaWin(start, tuned, levels=levels)(images)
    shares = expected(start(images).logits, tuned(images).logits, levels)
    assert len(set(shares)) > 1
    for row, share in enumerate(shares):
        alone = copy.deepcopy(start)
        for name, value in alone.state_dict().items():
            if value.is_floating_point():
                value.copy_((1 - share) * value + share * tuned.state_dict()[name])
        answer = alone(images[row : row + 1])
        torch.testing.assert_close(found.logits[row], answer.logits[0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found.features[row], answer.features[0], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_an_image_is_answered_whatever_others_are_there(draw):
    model, images = DaWin(Net(1), Net(2)).eval(), draw(6, 4)
    torch.testing.assert_close(model(images[:2]).logits, model(images).logits[:2], rtol=1e-4, atol=1e-5)
    assert model(images[:0]).logits.shape == (0, 3)


@torch.no_grad()
def test_of_one_model_twice_it_is_that_model_and_neither_is_changed(draw):
    net = Net(1).eval()
    before = copy.deepcopy(net.state_dict())
    images = draw(4, 4)
    torch.testing.assert_close(DaWin(net, net, levels=0)(images).logits, net(images).logits)
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


def test_half_precision_is_widened():
    share = dawin_share(torch.zeros(1, 3).half(), torch.zeros(1, 3).half())
    assert share.dtype == torch.float32
    assert share.item() == 0.5


def test_says_what_is_wrong():
    one = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="shapes must be equal"):
        dawin_share(one, torch.zeros(1, 3))
    with pytest.raises(ValueError, match="levels must be >= 2, got 1"):
        dawin_share(one, one, levels=1)
    with pytest.raises(ValueError, match="name different tensors"):
        DaWin(Net(1), nn.Linear(1, 1))


@pytest.fixture
def between():
    start, tuned = (build("convnet", classes=("a", "b", "c"), image_size=8, seed=seed) for seed in (1, 2))
    return DaWin(start, tuned, levels=5).eval()


def test_it_is_built_again_from_its_description(between):
    again = from_spec(between.spec).eval()
    assert isinstance(again, DaWin)
    assert (again.levels, again.classes, again.spec) == (5, ("a", "b", "c"), between.spec)
    again.load_state_dict(between.state_dict())
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again(images).logits, between(images).logits)


def test_a_file_of_it_is_loaded(between, tmp_path):
    export_safetensors(between, tmp_path / "both.safetensors")
    again = load(f"file:{tmp_path / 'both.safetensors'}").eval()
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again(images).logits, between(images).logits)
    again.rename(("x", "y", "z"))
    assert again.classes == again.class_list == tuple(again.spec["classes"]) == ("x", "y", "z")


def test_what_needs_one_network_is_refused(between, tmp_path):
    export_safetensors(between, tmp_path / "both.safetensors")
    for act in (
        lambda: load(f"file:{tmp_path / 'both.safetensors'}", classes=("d", "e"), replace_head=True),
        lambda: export_onnx(between, tmp_path / "both.onnx", 8),
        lambda: need_one_network(between, "it", "training"),
    ):
        with pytest.raises(InputError, match=r"weights of its own \(dawin\), and .* needs one network"):
            act()
