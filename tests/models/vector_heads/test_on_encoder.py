"""Encoder and head together: what is trained, what stays, and what the encoder's vectors are."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from modelheir.checks import InputError
from modelheir.config.vector_head import VectorHeadConfig
from modelheir.models import build_vector_head, encoder_width, fine_tuned, freeze, frozen_again, state_hash

IMAGES = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def encoder():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))


def head(**settings):
    return build_vector_head(VectorHeadConfig(**settings), width=5, classes=["a", "b", "c"])


def train(model, steps=3):
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(model(IMAGES).logits, LABELS).backward()
        optimizer.step()


@pytest.mark.parametrize("settings", [{}, {"kind": "fcnn", "hidden": (6, 5), "members": 3}])
def test_fine_tuning_moves_every_weight_of_copies(settings):
    """Heads of several members too, which had no such step before."""
    own, first = freeze(encoder()), head(**settings)
    before = state_hash(own), state_hash(first)
    model = fine_tuned(own, first)
    kept = {name: value.detach().clone() for name, value in model.named_parameters()}
    torch.manual_seed(0)
    train(model)
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, kept[name])}
    assert moved == set(kept)
    assert (state_hash(own), state_hash(first)) == before


def test_frozen_again_only_the_head_moves():
    model = fine_tuned(encoder(), head())
    torch.manual_seed(0)
    train(model)
    after = frozen_again(model)
    before, tuned = state_hash(after.encoder), state_hash(model)
    assert before == state_hash(model.encoder)
    first = state_hash(after.head)
    train(after)
    assert state_hash(after.encoder) == before  # weights, and statistics of its batch norm
    assert not after.encoder.training
    assert not after.encoder[3].training
    assert state_hash(after.head) != first
    assert state_hash(model) == tuned
    assert all(p.grad is None for p in after.encoder.parameters())


def test_frozen_again_reads_the_encoder_as_stored_vectors_would_be():
    model = frozen_again(fine_tuned(encoder(), head())).train()
    with torch.no_grad():
        stored = model.encoder(IMAGES)
    assert torch.equal(model(IMAGES).logits, model.head(stored).logits)
    assert torch.equal(model(IMAGES).features, stored)


def test_the_width_is_found_without_a_trace():
    own = encoder().train()
    own[3].eval()
    before = state_hash(own)
    assert encoder_width(own, torch.zeros(1, 3, 4, 4)) == 5
    assert state_hash(own) == before
    assert [one.training for one in own] == [True, True, True, False]


def test_what_gives_no_vectors_is_refused():
    with pytest.raises(InputError, match=r"returned \(2, 3, 4, 4\) for 2 images"):
        encoder_width(nn.Identity(), torch.zeros(2, 3, 4, 4))
    with pytest.raises(InputError, match="reads stored vectors of 5 numbers"):
        fine_tuned(nn.Flatten(), head())(IMAGES)
