"""Heads on frozen encoders as one classifier of images: what it says, what it holds, and whose encoders it takes."""

import copy
import json

import numpy as np
import pytest
import torch

from modelheir import models
from modelheir.checks import InputError
from modelheir.config.vector_head import VectorHeadConfig
from modelheir.models.encoders import Encoder, Preparation, load_encoder
from modelheir.models.encoders.classifiers import Features
from modelheir.models.view_classifier import ViewClassifier, from_vector_spec

CLASSES = ("cat", "dog", "owl")
PRIOR = [0.5, 0.3, 0.2]


def made(*parts, rule="product", wide=False):
    encoders = [load_encoder(part, image_size=8) for part in parts]
    widths = [one.width for one in encoders]
    config = VectorHeadConfig(normalise="none")
    heads = {
        f"view_{number}": models.build_vector_head(config, width=width, classes=CLASSES, seed=number)
        for number, width in enumerate([sum(widths)] if wide else widths)
    }
    about = [
        {"address": one, "fingerprint": made.fingerprint, "image_size": 8}
        for one, made in zip(parts, encoders, strict=True)
    ]
    spec = {"name": "views", "classes": list(CLASSES), "image_size": 8, "encoders": about, "joint": rule}
    spec |= {
        "heads": {name: head.spec for name, head in heads.items()},
        "prior": PRIOR,
        "temperatures": [1.0] * len(heads),
    }
    return ViewClassifier(heads, spec=spec).eval(), encoders


@pytest.fixture
def images():
    return torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("rule", ["product", "prior_product", "mean"])
@pytest.mark.parametrize("parts", [("pixels:left", "pixels:right"), ("pixels:left", "pixels:right", "pixels:top")])
def test_images_are_classified_by_what_the_views_say_together(images, rule, parts):
    model, encoders = made(*parts, rule=rule)
    each = [
        head(one(images)).logits.softmax(1).detach().numpy().astype(np.float64)
        for head, one in zip(model.heads.values(), encoders, strict=True)
    ]
    expected = np.mean(each, 0) if rule == "mean" else np.prod(each, 0)
    if rule == "prior_product":
        expected = expected / np.array(PRIOR) ** (len(parts) - 1)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(model(images).logits.softmax(1).detach(), expected, rtol=1e-4)


def test_a_single_head_reads_all_views_side_by_side(images):
    model, encoders = made("pixels:left", "pixels:right", wide=True)
    (head,) = model.heads.values()
    expected = head(torch.cat([one(images) for one in encoders], 1)).logits
    torch.testing.assert_close(model(images).logits, expected)


def test_weights_of_encoders_are_not_its_own(images):
    model, _ = made("pixels:left", "pixels:right")
    model(images)
    assert {key.split(".")[0] for key in model.state_dict()} == {"heads"}
    assert len(list(model.parameters())) == 4  # weight and bias of two linear heads


def test_built_from_its_specification_it_says_the_same(images):
    model, _ = made("pixels:left", "pixels:right", rule="mean")
    again = from_vector_spec(model.spec)
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again.eval()(images).logits, model(images).logits)
    assert again.classes == CLASSES
    assert (again.image_size, again.feature_size) == (8, model(images).features.shape[1])


def test_copied_and_moved_it_says_the_same(images):
    model, _ = made("pixels:left", "pixels:right")
    said = model(images).logits
    torch.testing.assert_close(copy.deepcopy(model)(images).logits, said)
    torch.testing.assert_close(copy.deepcopy(model).to("cpu")(images).logits, said)
    assert copy.deepcopy(model).to(torch.float64).heads["view_0"].layers.last.weight.dtype == torch.float64


def test_another_encoder_of_the_same_address_is_refused(images):
    model, _ = made("pixels:left", "pixels:right")
    model.spec["encoders"][1]["fingerprint"] = "0" * 64
    with pytest.raises(InputError, match=r"encoder pixels:right is not the one that this classifier was trained on"):
        model(images)


def test_classes_can_be_named_anew():
    model, _ = made("pixels:left", "pixels:right")
    model.rename(("a", "b", "c"))
    assert model.classes == model.class_list == ("a", "b", "c")


def test_an_encoder_that_was_tuned_is_its_own_and_goes_where_it_goes(images):
    """The classifier that the encoder came from is not asked for again."""
    body = models.build("convnet", classes=CLASSES, image_size=8, seed=3)
    encoder = Encoder(Features(body), address="run:gone", preparation=Preparation(8, 8))
    halves = load_encoder("pixels:left", image_size=8)
    heads = {
        f"view_{number}": models.build_vector_head(VectorHeadConfig(normalise="none"), width=width, classes=CLASSES)
        for number, width in enumerate((halves.width, encoder.width), 1)
    }
    about = [
        {"address": "pixels:left", "fingerprint": halves.fingerprint, "image_size": 8},
        {"address": "run:gone", "fingerprint": encoder.fingerprint, "image_size": 0, "tuned": "all"},
    ]
    spec = {"name": "views", "classes": list(CLASSES), "image_size": 8, "encoders": about, "joint": "product"}
    spec |= {"heads": {name: head.spec for name, head in heads.items()}, "prior": PRIOR, "temperatures": [1.0, 1.0]}
    model = ViewClassifier(heads, spec=spec, tuned={"2": encoder}).eval()
    assert {key.split(".")[0] for key in model.state_dict()} == {"heads", "tuned"}
    assert "kept" not in spec["encoders"][1]
    again = from_vector_spec(json.loads(json.dumps(model.spec)))
    state = {
        key: value + 1 if key == "heads.view_1.layers.last.bias" else value for key, value in model.state_dict().items()
    }
    again.load_state_dict(state)
    model.load_state_dict(state)
    torch.testing.assert_close(again.eval()(images).logits, model(images).logits)
    torch.testing.assert_close(copy.deepcopy(again)(images).logits, model(images).logits)
    other = from_vector_spec(model.spec)
    other.load_state_dict({key: value * 2 if key.startswith("tuned.2") else value for key, value in state.items()})
    with pytest.raises(InputError, match=r"encoder run:gone is not the one that this classifier was trained on"):
        other(images)
    heads_alone = ViewClassifier(heads, spec=spec)
    with pytest.raises(InputError, match=r"holds the heads alone, and the encoder run:gone was tuned for them"):
        heads_alone(images)
