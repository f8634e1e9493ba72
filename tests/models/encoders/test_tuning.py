"""An encoder that trains and is frozen again: what moves, what it is built from, and what it refuses."""

import copy

import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.config.vector_head import VectorHeadConfig
from modelheir.models import OnEncoder, build, build_vector_head, freeze, state_hash
from modelheir.models.adapters import plain_state
from modelheir.models.encoders import (
    Encoder,
    Preparation,
    ThawedEncoder,
    built_again,
    kept_facts,
    load_encoder,
    refilled,
)
from modelheir.models.encoders.classifiers import Features

IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def encoder(model="resnet8"):
    made = build(model, classes=["a", "b", "c"], image_size=8, seed=3)
    return Encoder(Features(made), address="run:somewhere", preparation=Preparation(8, 8))


def moved(model, steps=3):
    """Return which parameters change in training, and train."""
    kept = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(IMAGES).pow(2).sum().backward()
        optimizer.step()
    return {name for name, value in model.named_parameters() if not torch.equal(value, kept[name])}


def test_it_gives_the_vectors_of_the_encoder_until_it_is_trained():
    own = encoder()
    torch.testing.assert_close(ThawedEncoder(own).eval()(IMAGES), own(IMAGES))
    torch.testing.assert_close(ThawedEncoder(own, rank=2).eval()(IMAGES), own(IMAGES))


def test_all_weights_that_reach_the_vectors_move_and_the_encoder_stays():
    own = encoder()
    before, model = state_hash(own), ThawedEncoder(own).train()
    names = {name for name, _ in model.named_parameters()}
    assert moved(model) == names - {"body.classifier.head.weight", "body.classifier.head.bias"}
    assert state_hash(own) == before


def test_of_adapters_alone_move_and_no_statistics_do():
    model = ThawedEncoder(encoder(), rank=2, seed=1).train()
    before = {key: value.clone() for key, value in model.named_buffers()}
    changed = moved(model)
    assert changed
    assert all(name.endswith((".up", ".down")) for name in changed)
    assert not [name for name, _ in model.named_parameters() if "head.parametrizations" in name]
    assert all(torch.equal(value, before[key]) for key, value in model.named_buffers())
    plain = plain_state(model)
    first = plain_state(ThawedEncoder(encoder()))
    ranks = {
        int(torch.linalg.matrix_rank((plain[key] - first[key]).flatten(1), rtol=1e-4))
        for key in plain
        if not torch.equal(plain[key], first[key])
    }
    assert ranks == {2}


def test_frozen_again_it_gives_what_was_trained():
    own = encoder()
    for rank in (0, 2):
        model = ThawedEncoder(own, rank=rank).train()
        moved(model)
        state = {key.removeprefix("body."): value for key, value in plain_state(model).items()}
        after = refilled(encoder(), state)
        torch.testing.assert_close(after(IMAGES), model.eval()(IMAGES))
        assert not any(value.requires_grad for value in after.parameters())
        assert after.fingerprint not in (own.fingerprint, encoder().fingerprint)
        assert after.train().training is False


def test_it_is_built_again_without_the_files_that_it_came_from():
    own, again = encoder(), built_again("run:somewhere", 0, kept_facts(encoder()))
    with torch.no_grad():
        own.body.classifier.body.get_parameter("stem.0.weight").mul_(2)
    again.load_state_dict(own.state_dict())
    torch.testing.assert_close(again(IMAGES), own(IMAGES))
    assert again.fingerprint == own.fingerprint


def test_one_that_is_no_classifier_is_loaded_from_its_address():
    own = load_encoder("pixels:left", image_size=8)
    assert set(kept_facts(own)) == {"preparation"}
    assert built_again("pixels:left", 8, kept_facts(own)).fingerprint == own.fingerprint


def test_parts_of_the_pixels_have_no_weights():
    with pytest.raises(InputError, match="pixels:left has no weights, so nothing of it can be trained"):
        ThawedEncoder(load_encoder("pixels:left", image_size=8))


def test_a_body_without_a_layer_for_adapters_is_refused():
    body = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(192))
    with pytest.raises(InputError, match="has no layer that takes adapters"):
        ThawedEncoder(Encoder(body, address="x", preparation=Preparation(8, 8)), rank=2)


def test_other_weights_and_a_damaged_description_are_refused():
    state = encoder("convnet").body.state_dict()
    with pytest.raises(InputError, match="the weights do not fit run:somewhere"):
        refilled(encoder(), state)
    damaged = copy.deepcopy(kept_facts(encoder()))
    del damaged["preparation"]["crop"]
    with pytest.raises(InputError, match="the description of run:somewhere is damaged"):
        built_again("run:somewhere", 0, damaged)


def test_gradients_reach_it_below_a_head():
    head = build_vector_head(VectorHeadConfig(), width=encoder().width, classes=["a", "b"])
    model = OnEncoder(ThawedEncoder(freeze(encoder())), head)
    model(IMAGES).logits.sum().backward()
    reached = [name for name, value in model.encoder.body.named_parameters() if value.grad is not None]
    assert len(reached) > 20
    assert not [name for name in reached if "head" in name]
