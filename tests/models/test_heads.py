import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity
from torch import nn

from modelheir.models.heads import ConvHead, CosineHead, cosine_logits, make_head


def test_cosine_against_scikit_learn():
    rng = np.random.default_rng(0)
    features, weight = rng.normal(size=(5, 7)), rng.normal(size=(3, 7))
    found = cosine_logits(torch.tensor(features), torch.tensor(weight), temperature=0.05)
    np.testing.assert_allclose(found.numpy(), cosine_similarity(features, weight) / 0.05, rtol=1e-10)


@settings(deadline=None, max_examples=25)
@given(st.floats(0.01, 100), st.floats(0.01, 10))
def test_cosine_knows_directions_only(scale, temperature):
    generator = torch.Generator().manual_seed(1)
    features, weight = torch.randn(4, 6, generator=generator), torch.randn(3, 6, generator=generator)
    one = cosine_logits(features, weight, temperature=temperature)
    torch.testing.assert_close(cosine_logits(scale * features, weight, temperature=temperature), one)
    assert one.abs().max() <= 1 / temperature * 1.001


def test_cosine_in_half_precision_is_computed_wide():
    features = torch.full((2, 4), 300.0, dtype=torch.float16)
    found = cosine_logits(features, torch.ones(3, 4, dtype=torch.float16))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full((2, 3), 100.0))


def test_cosine_of_zero_features_is_zero():
    assert cosine_logits(torch.zeros(1, 4), torch.ones(3, 4)).tolist() == [[0.0, 0.0, 0.0]]


def test_make_head():
    assert isinstance(make_head("linear", 4, 3), nn.Linear)
    head = make_head("cosine", 4, 3, temperature=0.5)
    assert isinstance(head, CosineHead)
    assert head.bias is None
    assert head(torch.ones(2, 4)).abs().max() <= 2
    with pytest.raises(ValueError, match="Did you mean 'cosine'"):
        make_head("cosin", 4, 3)
    with pytest.raises(ValueError, match="temperature must be > 0"):
        make_head("cosine", 4, 3, temperature=0.0)


def test_conv_head_is_the_mean_of_rectified_maps():
    conv = nn.Conv2d(4, 3, 1)
    maps = torch.randn(2, 4, 5, 6)
    weight, bias = conv.weight.detach()[:, :, 0, 0], conv.bias.detach()
    expected = torch.zeros(2, 3)
    for n in range(2):
        for k in range(3):
            values = [max(float(weight[k] @ maps[n, :, i, j] + bias[k]), 0) for i in range(5) for j in range(6)]
            expected[n, k] = sum(values) / 30
    torch.testing.assert_close(ConvHead(conv)(maps), expected)
