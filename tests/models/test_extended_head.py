from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.checks import InputError
from modelheir.models.extended_head import class_mean_weights, extend_head, head_rows


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.floats(0.1, 10))
def test_rows_against_numpy_and_their_length(seed, length):
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(12, 5)).astype(np.float32), np.arange(12) % 4
    found = class_mean_weights(torch.from_numpy(features), torch.from_numpy(labels), [3, 1], length=length).numpy()
    for row, one in zip(found, (3, 1), strict=True):
        mean = features[labels == one].mean(axis=0)
        np.testing.assert_allclose(row, length * mean / np.linalg.norm(mean), rtol=1e-4, atol=1e-5)


def test_known_rows_move_by_name_and_new_ones_are_synthesised():
    torch.manual_seed(0)
    old = SimpleNamespace(head=nn.Linear(5, 3), classes=("cat", "dog", "emu"))
    features, labels = torch.randn(9, 5), torch.tensor([0, 1, 2] * 3)
    head = extend_head(old, ("dog", "fox", "cat"), features, labels)
    assert torch.equal(head.weight[0], old.head.weight[1])
    assert torch.equal(head.weight[2], old.head.weight[0])
    assert torch.equal(head.bias[[0, 2]], old.head.bias[[1, 0]])
    mean = features[labels == 1].mean(dim=0)
    length = old.head.weight.norm(dim=1).mean()
    torch.testing.assert_close(head.weight[1], length * mean / mean.norm())
    torch.testing.assert_close(head.bias[1], old.head.bias.mean())
    assert not any(p.requires_grad for p in head.parameters())


def test_the_same_classes_copy_the_head_and_draw_nothing():
    old = SimpleNamespace(head=nn.Linear(4, 2, bias=False), classes=("a", "b"))
    state = torch.random.get_rng_state()
    head = extend_head(old, ("a", "b"), torch.zeros(1, 4), torch.tensor([0]))
    assert torch.equal(head.weight, old.head.weight)
    assert head.bias is None
    assert torch.equal(torch.random.get_rng_state(), state)


def test_rows_are_a_frozen_copy():
    head = nn.Linear(3, 4)
    rows = head_rows(head, [2, 0])
    assert torch.equal(rows.weight, head.weight[[2, 0]])
    assert not rows.weight.requires_grad
    assert not rows.bias.requires_grad
    with torch.no_grad():
        head.weight.zero_()
    assert rows.weight.any()


def test_a_new_class_without_images():
    old = SimpleNamespace(head=nn.Linear(4, 2), classes=("a", "b"))
    with pytest.raises(ValueError, match="class 2 has no image"):
        extend_head(old, ("a", "b", "c"), torch.zeros(2, 4), torch.tensor([0, 1]))


def test_a_head_that_is_not_linear():
    old = SimpleNamespace(head=nn.Conv2d(4, 2, 1), classes=("a", "b"))
    with pytest.raises(InputError, match="not one linear layer with a row for each of its 2 classes"):
        extend_head(old, ("a", "b"), torch.zeros(2, 4), torch.tensor([0, 1]))
