"""Low-rank adapters of linear layers, convolutions (grouped ones too) and attention."""

import numpy as np
import pytest
import torch
from torch import nn

from modelheir.models.adapters import LowRank, add_low_rank, merge_weights

LAYERS = {
    "linear": (lambda: nn.Linear(6, 5), (4, 6)),
    "convolution": (lambda: nn.Conv2d(4, 6, 3, padding=1), (2, 4, 5, 5)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2), (2, 4, 5, 5)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, stride=2), (2, 4, 5, 5)),
    "dilated": (lambda: nn.Conv1d(3, 5, 3, dilation=2), (2, 3, 9)),
}


def stir(module):
    with torch.no_grad():
        for name, value in module.named_parameters():
            if name.endswith("up"):
                value.normal_(generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", LAYERS)
def test_the_weight_differs_by_a_matrix_of_that_rank_and_merging_changes_nothing(kind):
    make, shape = LAYERS[kind]
    layer = make()
    before, images = layer.weight.detach().clone(), torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = layer(images)
    assert add_low_rank(layer, rank=2, seed=0) == 1
    assert torch.equal(layer(images), expected)  # U is zero
    stir(layer)
    adapter = layer.parametrizations.weight[0]
    up, down = (value.detach().numpy().astype(np.float64) for value in (adapter.up, adapter.down))
    product = np.einsum("or,rn->on", up, down).reshape(before.shape)
    np.testing.assert_allclose((layer.weight - before).detach().numpy(), product, atol=1e-6)
    assert np.linalg.matrix_rank(product.reshape(len(before), -1)) == 2
    unmerged = layer(images)
    assert not torch.allclose(unmerged, expected)
    merge_weights(layer)
    torch.testing.assert_close(layer(images), unmerged, atol=1e-6, rtol=1e-6)


def test_attention_has_one_for_its_joint_projection_and_one_behind():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    tokens = torch.randn(2, 3, 8)
    expected = attention(tokens, tokens, tokens)[0]
    assert add_low_rank(attention, rank=2, seed=0) == 2
    torch.testing.assert_close(attention(tokens, tokens, tokens)[0], expected)
    stir(attention)
    attention(tokens, tokens, tokens)[0].sum().backward()
    reached = {name for name, value in attention.named_parameters() if value.grad is not None and value.grad.any()}
    assert {name for name in reached if "parametrizations" in name} == {
        f"{path}.0.{side}"
        for path in ("parametrizations.in_proj_weight", "out_proj.parametrizations.weight")
        for side in ("up", "down")
    }


def test_a_rank_that_the_weight_cannot_have_is_not_made_and_named_weights_get_none():
    adapter = LowRank(torch.zeros(3, 2, 1, 1), rank=9, generator=torch.Generator())
    assert (adapter.up.shape, adapter.down.shape) == ((3, 2), (2, 2))
    with pytest.raises(ValueError, match="rank"):
        LowRank(torch.zeros(3, 2), rank=0, generator=torch.Generator())
    pair = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert add_low_rank(pair, rank=1, seed=0, leave={"0.weight"}) == 1
    assert not hasattr(pair[0], "parametrizations")
