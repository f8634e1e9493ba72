import dataclasses
import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models.backward_compatible import rebuild, transplant
from modelheir.models.bodies.thin import resnet10thin_wb
from modelheir.models.building import build, from_spec
from modelheir.models.classifier import Classifier
from modelheir.models.extended_head import extend_head
from modelheir.models.heads import CosineHead

ABC, N = ("a", "b", "c"), 5


def classifier(width=6, classes=ABC, *, seed=0, head=nn.Linear):
    torch.manual_seed(seed)
    body = resnet10thin_wb(widths=(4, 4, 4, width), stem="small")
    spec = {
        "classes": classes,
        "network": dataclasses.asdict(NetworkConfig()),
        "resolution": 0,
        "image_size": 8,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    return Classifier(body, head(width, len(classes)), spec=spec)


@pytest.fixture
def images():
    return torch.rand(N, 3, 8, 8, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("width", [6, 9])
def test_the_frozen_head_is_the_old_classifier_before_and_after_training(images, width):
    old = classifier(6, seed=1)
    model = transplant(classifier(width, seed=2), old).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9, weight_decay=0.1)
    for _ in range(2):
        assert torch.equal(model.old_head.weight, old.head.weight)
        assert torch.equal(model.old_head.bias, old.head.bias)
        outputs = model(images)
        torch.testing.assert_close(outputs.auxiliary[0], old.head(outputs.features[:, :6]))
        labels = torch.tensor([0, 1, 2, 0, 1])
        loss = F.cross_entropy(outputs.logits, labels) + F.cross_entropy(outputs.auxiliary[0], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert not torch.equal(model.head.weight, classifier(width, seed=2).head.weight)


def test_the_influence_loss_trains_the_body_alone(images):
    model = transplant(classifier(6), classifier(6, seed=1)).train()
    F.cross_entropy(model(images).auxiliary[0], torch.zeros(N, dtype=torch.long)).backward()
    assert model.model.body.conv1.weight.grad is not None
    assert model.head.weight.grad is None
    assert model.old_head.weight.grad is None


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_evaluation_blends_only_shared_classes(images, alpha):
    old = classifier(6, ("c", "x", "a"), seed=1)
    new = classifier(7, ("a", "b", "c", "d"), seed=2)
    model = transplant(new, old, alpha=alpha).eval()
    assert model.old_classes == ("a", "c")
    plain, outputs = new(images), model(images)
    theirs = old.head(plain.features[:, :6])
    expected = plain.logits.clone()
    expected[:, 0] = (1 - alpha) * plain.logits[:, 0] + alpha * theirs[:, 2]
    expected[:, 2] = (1 - alpha) * plain.logits[:, 2] + alpha * theirs[:, 0]
    torch.testing.assert_close(outputs.logits, expected)
    assert outputs.auxiliary == ()
    torch.testing.assert_close(model.merged()(images).logits, expected)


@pytest.mark.parametrize(("width", "projection"), [(6, False), (9, False), (4, True), (9, True)])
def test_single_head_uses_the_old_one_alone(images, width, projection):
    old, new = classifier(6, ("c", "a", "b"), seed=1), classifier(width, seed=2)
    model = transplant(new, old, single_head=True, projection=projection)
    outputs = model(images)
    assert outputs.auxiliary == ()
    features = outputs.features[:, :6] if model.projection is None else model.projection(outputs.features)
    torch.testing.assert_close(outputs.logits, old.head(features)[:, [1, 2, 0]])
    outputs.logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)  # nothing unused to trip over
    torch.testing.assert_close(model.eval().merged()(images).logits, model(images).logits)


def test_an_extended_head_covers_new_classes(images):
    old, new = classifier(6, ("a", "b"), seed=1), classifier(6, seed=2)
    with torch.no_grad():
        features = old(images).features
    head = extend_head(old, ABC, features, torch.tensor([2, 2, 0, 1, 0]))
    model = transplant(new, old, head=head, single_head=True).eval()
    outputs = model(images)
    assert outputs.logits.shape == (N, 3)
    torch.testing.assert_close(outputs.logits[:, :2], old.head(outputs.features))


def test_a_saved_one_is_rebuilt(images):
    model = transplant(classifier(4, seed=2), classifier(6, seed=1), alpha=0.25, projection=True).eval()
    spec = json.loads(json.dumps(model.spec))
    again = rebuild(classifier(4, seed=3), spec["transplant"])
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(images).logits, model(images).logits)
    assert again.spec == model.spec
    assert not again.old_head.weight.requires_grad


def test_seeded_projection_leaves_the_global_state_alone():
    new, old = classifier(4), classifier(6)
    first = transplant(new, old, projection=True, seed=3).projection
    second = transplant(new, old, projection=True, seed=3).projection
    other = transplant(new, old, projection=True, seed=4).projection
    assert torch.equal(first.weight, second.weight)
    assert not torch.equal(first.weight, other.weight)


def test_a_narrower_model_needs_the_projection():
    with pytest.raises(InputError, match="reads 6 features and the new model has 4: take a wider"):
        transplant(classifier(4), classifier(6))


def test_no_class_in_common():
    with pytest.raises(InputError, match="share no class name"):
        transplant(classifier(), classifier(classes=("x", "y")))


def test_a_single_old_head_must_know_every_class():
    with pytest.raises(InputError, match=r"cannot tell 1 new classes apart \(c\)"):
        transplant(classifier(), classifier(classes=("a", "b")), single_head=True)


def test_a_cosine_head_cannot_be_transplanted():
    with pytest.raises(InputError, match="the old model's classifier is not one linear layer"):
        transplant(classifier(), classifier(head=CosineHead))


def test_alpha_out_of_range():
    with pytest.raises(ValueError, match="alpha must be from 0 to 1"):
        transplant(classifier(), classifier(), alpha=1.5)


def test_a_network_built_again_from_its_description_gives_the_same_logits(images):
    old = build("convnet", classes=("c", "a"), image_size=8, seed=1)
    model = transplant(build("resnet10thin_wb", classes=ABC, image_size=8, seed=2), old, alpha=0.4, projection=True)
    again = from_spec(json.loads(json.dumps(model.spec)))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(images).logits, model.eval()(images).logits)
    assert again.image_size == 8
