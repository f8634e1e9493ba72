import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.models import build
from modelheir.models.blends.weight_rows import layer_vectors


def test_convolutions_and_linear_layers_count_and_nothing_else():
    model = build("resnet8", classes=["a", "b", "c"], image_size=8)
    names = [name for name, _ in model.named_parameters()]
    layers = {"conv1": [n for n in names if "stem" in n], "all": names}
    found = layer_vectors(model, layers)
    body = model.body
    by_hand = [body.stem[0].weight]
    for stage in body.stages:
        by_hand += [stage[0].first[0].weight, stage[0].second[0].weight]
    by_hand += [model.head.weight, model.head.bias]
    expected = torch.cat([w.detach().flatten() for w in by_hand]).double().numpy()
    np.testing.assert_array_equal(found["all"], expected)
    np.testing.assert_array_equal(found["conv1"], body.stem[0].weight.detach().double().flatten().numpy())


@pytest.mark.parametrize("blocks", ["tv:resnet18"])
def test_a_resnet_of_eighteen_layers_has_the_published_count(blocks):
    """The rule's count of a ResNet-18 with ten classes is 11,000,010 of its 11,181,642 parameters."""
    model = build(blocks, classes=[str(k) for k in range(10)], image_size=32)
    assert sum(p.numel() for p in model.parameters()) == 11_181_642
    rows = layer_vectors(model, {"all": [name for name, _ in model.named_parameters()]})
    assert rows["all"].shape == (11_000_010,)


def test_a_layer_without_such_weights_is_empty():
    model = build("resnet8", classes=["a", "b"], image_size=8)
    assert layer_vectors(model, {"norm": ["body.stem.1.weight"]})["norm"].shape == (0,)


def test_a_wrong_name_is_answered_with_the_nearest():
    model = build("resnet8", classes=["a", "b"], image_size=8)
    with pytest.raises(InputError, match=r"Did you mean 'head.weight'"):
        layer_vectors(model, {"fc": ["head.weigth"]})
