import copy

import pytest
import torch
from torch.nn import functional as F

from modelheir.config.network import NetworkConfig
from modelheir.models import build

CLASSES = ("a", "b", "c")


def small(**settings):
    return build("convnet", classes=CLASSES, image_size=8, config=NetworkConfig(kwargs={"width": 4}, **settings))


def test_normalises_by_itself():
    model = small(mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0)).eval()
    images = torch.rand(5, 3, 8, 8)
    by_hand = torch.stack([(images[:, 0] - 0.1) / 0.5, (images[:, 1] - 0.2) / 0.25, (images[:, 2] - 0.3) / 2], 1)
    torch.testing.assert_close(model(images).features, model.body(by_hand))


def test_features_are_the_input_of_the_head_before_dropout():
    model = small(dropout=0.9).train()
    outputs = model(torch.rand(5, 3, 8, 8))
    assert outputs.features.shape == (5, model.feature_size)
    assert (outputs.features == 0).float().mean() < 0.5
    model.eval()
    outputs = model(torch.rand(5, 3, 8, 8))
    torch.testing.assert_close(outputs.logits, F.linear(outputs.features, model.head.weight, model.head.bias))


def test_embedding_sets_the_feature_width():
    model = small(embedding=7)
    outputs = model(torch.rand(5, 3, 8, 8))
    assert outputs.features.shape == (5, 7)
    assert model.feature_size == model.head.in_features == 7
    assert outputs.logits.shape == (5, 3)


def test_cosine_head_is_bounded():
    model = small(head="cosine", cosine_temperature=0.1).eval()
    assert model(torch.rand(5, 3, 8, 8)).logits.abs().max() <= 10.001


def test_resizes_to_its_own_resolution():
    model = small(resolution=16).eval()
    images = torch.rand(2, 3, 8, 8)
    large = F.interpolate(images, size=(16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(model(images).logits, model(large).logits)


@pytest.mark.parametrize("how", ["none", "avg", "max"])
def test_further_heads_join_in_evaluation_only(how):
    config = NetworkConfig(auxiliary=how)
    model = build("mb_resnet18", classes=CLASSES, image_size=32, config=config)
    images = torch.rand(2, 3, 32, 32)
    assert [head.shape for head in model(images).auxiliary] == [(2, 3), (2, 3)]
    model.eval()
    with torch.no_grad():
        found = model(images)
        heads = [F.linear(found.features, head.weight, head.bias) for head in (model.head, *model.auxiliary_heads)]
    stacked = torch.stack(heads).numpy()
    expected = {"none": stacked[0], "avg": stacked.mean(0), "max": stacked.max(0)}[how]  # the mean divides by 3, not 5
    torch.testing.assert_close(found.logits, torch.from_numpy(expected))
    assert found.auxiliary == ()


@pytest.mark.parametrize("members", [1, 2, 3])
def test_several_members(members):
    model = small(mimo_members=members)
    images = torch.rand(5, 3, 8, 8)
    outputs = model(images)
    assert outputs.logits.shape == (5, 3)
    assert [one.shape for one in outputs.auxiliary] == [(5, 3)] * (members - 1)
    assert model.eval()(images).logits.shape == (5, 3)
    assert model(images).auxiliary == ()


def test_copies_compiles_to_a_function_and_saves_only_weights():
    model = small().eval()
    images = torch.rand(2, 3, 8, 8)
    twin = copy.deepcopy(model)
    torch.testing.assert_close(twin(images).logits, model(images).logits)
    state = {name: value.detach() * 0 for name, value in model.named_parameters()}
    functional = torch.func.functional_call(model, {**state, **dict(model.named_buffers())}, (images,))
    assert functional.logits.abs().max() == 0
    assert {name.split(".")[0] for name in model.state_dict()} == {"body", "head"}
    exported = torch.export.export(model, (images,)).module()
    torch.testing.assert_close(exported(images).logits, model(images).logits)


def test_half_precision_images_stay_half():
    model = small().eval().to(torch.bfloat16)
    assert model(torch.rand(2, 3, 8, 8, dtype=torch.bfloat16)).logits.dtype == torch.bfloat16
