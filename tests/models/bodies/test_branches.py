import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.models.bodies.branches import combine_heads, resnet_auxiliary, resnet_branches


def test_three_heads_are_divided_by_three():
    heads = [torch.full((2, 4), value) for value in (3.0, 6.0, 0.0)]
    assert torch.equal(combine_heads(heads[0], heads[1:], "avg"), torch.full((2, 4), 3.0))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(2, 6), st.integers(0, 2**31))
def test_combinations_against_numpy(heads, n, classes, seed):
    values = np.random.default_rng(seed).normal(size=(heads, n, classes)).astype(np.float32)
    main, *rest = torch.from_numpy(values)
    np.testing.assert_allclose(combine_heads(main, rest, "avg"), values.mean(0), atol=1e-6)
    np.testing.assert_array_equal(combine_heads(main, rest, "max"), values.max(0))
    np.testing.assert_array_equal(combine_heads(main, rest, "none"), values[0])


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"auxiliary\[0\] is \(2, 3\)"):
        combine_heads(torch.zeros(2, 4), [torch.zeros(2, 3)])


def test_unknown_combination():
    with pytest.raises(ValueError, match="Did you mean 'avg'"):
        combine_heads(torch.zeros(1, 2), [], "avgg")  # type: ignore[arg-type]


def test_auxiliary_heads_sit_after_stage_four_and_three():
    torch.manual_seed(0)
    body = resnet_auxiliary("resnet18", width=20, dropout=0.0, stem="small").eval()
    x = torch.randn(2, 3, 16, 16)
    features, (four, three) = body.forward_auxiliary(x)
    assert features.shape == (2, body.feature_size) == (2, 512)
    assert body.auxiliary_sizes == (20, 20)
    torch.testing.assert_close(features, body.forward_features(x))
    maps = body.body.forward_stages(x)
    torch.testing.assert_close(four, body.neck4(maps[3]))
    torch.testing.assert_close(three, body.neck3(maps[2]))
    assert (body.neck4.conv.in_channels, body.neck3.conv.in_channels) == (512, 256)


def test_auxiliary_gradients_reach_only_earlier_stages():
    body = resnet_auxiliary("resnet18", width=5, stem="small")
    _, (_, three) = body.forward_auxiliary(torch.randn(2, 3, 16, 16))
    three.sum().backward()
    assert body.body.layer3[0].conv1.weight.grad is not None
    assert body.body.layer4[0].conv1.weight.grad is None


@pytest.mark.parametrize("branches", [1, 3, 4])
def test_branches_share_the_features(branches):
    body = resnet_branches("resnet18", branches=branches).eval()
    features, further = body.forward_auxiliary(torch.randn(2, 3, 32, 32))
    assert len(further) == len(body.auxiliary_sizes) == branches - 1
    assert all(part is features for part in further)


def test_at_least_one_branch():
    with pytest.raises(ValueError, match="branches must be >= 1, got 0"):
        resnet_branches("resnet18", branches=0)
