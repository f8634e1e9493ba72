"""Skipping dead taps is exact: the plain convolution says the same in float64, gradients and second use included."""

import copy

import pytest
import torch
from torch import nn

from modelheir.models.bodies.taps import TappedConv2d, skip_dead_taps, taps_between

CASES = [  # height, width, kernel, stride, padding, dilation
    (2, 2, 3, 2, 1, 1),
    (1, 1, 3, 1, 1, 1),
    (1, 1, 3, 2, 1, 1),
    (1, 2, 3, 2, 1, 1),
    (2, 1, (3, 5), (2, 3), (1, 2), 1),
    (2, 2, 5, 3, 2, 1),
    (2, 2, 3, 4, 2, 2),
    (3, 3, 3, 5, 2, 2),
    (1, 1, 7, 2, 3, 1),
    (2, 2, 3, 1, 1, 1),  # four positions, each of which sees the whole map
    (2, 2, 5, 1, 2, 1),
    (1, 2, 3, 1, 1, 1),
    (2, 1, (3, 5), 1, (1, 2), 1),
    (2, 2, 5, 2, 2, 1),
    (2, 3, 3, 2, 1, 1),  # the second position across does not see the third column: left to the library
    (3, 3, 3, 1, 1, 1),
    (8, 8, 3, 2, 1, 1),
]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_the_plain_convolution(case, layout):
    height, width, kernel, stride, padding, dilation = case
    torch.manual_seed(0)
    plain = nn.Conv2d(5, 7, kernel, stride=stride, padding=padding, dilation=dilation).double()
    plain = plain.to(memory_format=layout)
    ours = skip_dead_taps(copy.deepcopy(plain))
    x = torch.randn(4, 5, height, width, dtype=torch.float64).to(memory_format=layout)
    mine = x.clone().requires_grad_()
    theirs = x.clone().requires_grad_()
    found, expected = ours(mine), plain(theirs)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, atol=2e-14, rtol=0)
    away = torch.randn_like(expected)
    found.backward(away)
    expected.backward(away)
    torch.testing.assert_close(mine.grad, theirs.grad, atol=2e-14, rtol=0)
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=2e-14, rtol=0)


@pytest.mark.parametrize("size", range(1, 6))
def test_taps_between_are_those_that_a_library_uses(size):
    """What a lone 1 at each place of the input brings to each place of the output is the weight of the tap between."""
    ways = [(3, 1, 1, 1), (3, 2, 1, 1), (3, 9, 2, 2), (5, 9, 3, 1), (5, 1, 4, 1), (2, 9, 0, 1), (3, 9, 4, 3)]
    for kernel, stride, padding, dilation in ways:
        found = taps_between(size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
        weight = torch.arange(1.0, kernel + 1).view(1, 1, kernel)
        try:
            out = nn.functional.conv1d(torch.eye(size)[:, None], weight, None, stride, padding, dilation)
        except RuntimeError:
            assert found is None
            continue
        between = out[:, 0].T.round().int() - 1  # of an output, by which tap it sees each input; -1: by none
        assert found == (None if (between < 0).any() else between.tolist())


def test_the_plain_product_is_taken_on_tiny_maps_only(monkeypatch):
    called = []
    whole = nn.Conv2d._conv_forward
    monkeypatch.setattr(nn.Conv2d, "_conv_forward", lambda self, *a: called.append(1) or whole(self, *a))
    conv = skip_dead_taps(nn.Conv2d(2, 2, 3, stride=2, padding=1))
    conv(torch.zeros(1, 2, 2, 2))
    assert called == []
    conv(torch.zeros(1, 2, 8, 8))
    assert called == [1]
    skip_dead_taps(nn.Conv2d(2, 2, 3, padding=1))(torch.zeros(1, 2, 2, 2))
    assert called == [1]


def test_names_hooks_and_other_convolutions_stay():
    class Own(nn.Conv2d):
        pass

    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        Own(4, 4, 3),
    )
    before, seen = list(net.state_dict()), []
    net[0].register_forward_hook(lambda *a: seen.append(1))
    assert skip_dead_taps(net) is net
    assert [type(one) for one in net] == [TappedConv2d, nn.Conv2d, nn.Conv2d, nn.Conv2d, Own]
    assert list(net.state_dict()) == before
    net[0](torch.zeros(2, 2, 1, 1))
    assert seen == [1]
    net[0](torch.zeros(2, 1, 1))  # one image without a batch
