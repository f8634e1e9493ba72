"""Marginal smoothing against a loop, and which rows a batch picks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.models import StoredViews
from modelheir.models.teachers.stored_views import marginal_smoothing
from modelheir.types import Batch


def smoothed(classes, probabilities, count):
    """Spread what is left evenly, by hand; ``(N, C)`` probabilities."""
    out = np.zeros((len(classes), count))
    for row in range(len(classes)):
        left = 1.0 - sum(probabilities[row])
        for c in range(count):
            out[row, c] = left / (count - len(classes[row]))
        for c, p in zip(classes[row], probabilities[row], strict=True):
            out[row, c] = p
    return out


def kept(logits, k):
    """Return the ``k`` largest classes, their probabilities, and the logarithms as stored."""
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    classes = np.argsort(-p, axis=1)[:, :k]
    own = np.take_along_axis(p, classes, 1)
    rest = np.delete(np.sort(p, axis=1)[:, ::-1], np.s_[:k], axis=1).sum(1, keepdims=True)
    return classes, own, np.log(np.concatenate([own, rest], 1))


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_marginal_smoothing_is_the_loop(seed, n, k, more):
    logits = np.random.default_rng(seed).normal(size=(n, k + more)) * 3
    classes, own, said = kept(logits, k)
    found = marginal_smoothing(torch.from_numpy(classes), torch.from_numpy(said), count=k + more)
    np.testing.assert_allclose(found.exp().numpy(), smoothed(classes, own, k + more), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.exp().sum(1).numpy(), 1.0)
    if more == 1:  # what is left is one class: nothing is lost
        np.testing.assert_allclose(found.softmax(1).numpy(), torch.from_numpy(logits).softmax(1).numpy(), rtol=1e-9)


def test_a_sure_teacher_keeps_what_is_left_in_half_precision():
    """One minus the kept probabilities is 0 in float16; its logarithm is not lost."""
    logits = np.array([[20.0, 0.0, 1.0, 0.0]])
    classes, _, said = kept(logits, 1)
    half = torch.from_numpy(said).half().float()
    found = marginal_smoothing(torch.from_numpy(classes), half, count=4)
    assert found.isfinite().all()
    assert found[0, 1].item() == pytest.approx(np.log((2 + np.e) / np.exp(20.0) / 3), abs=0.02)
    assert found.dtype == torch.float32


class Images:
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n


class Shard:
    def __init__(self, arrays):
        self.arrays, self.images = arrays, Images(next(iter(arrays.values())).shape[1])


class Cache:
    """A cache in memory: two views, four images, three classes, features of width 2."""

    def __init__(self, dtype=np.float32):
        values = np.arange(24, dtype=dtype).reshape(2, 4, 3)
        self.shards = (Shard({"logits": values, "features": values[..., :2] + 100}),)
        self.manifest = type("M", (), {"classes": ("a", "b", "c"), "views": 2, "features": 2})

    def take(self, name, rows, view=None):
        array = self.shards[0].arrays[name]
        return array[:, rows] if view is None else array[view][rows]


def batch(rows, view):
    return Batch(torch.zeros(len(rows), 1), torch.zeros(len(rows)), torch.tensor(rows), view=view)


@pytest.mark.parametrize("most", [0, 1e9])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_batch_picks_its_rows_of_its_view(most, dtype):
    rows = np.array([3, 0, 2])  # of the cache, for three samples of a stream
    teacher = StoredViews(Cache(dtype), rows, classes=("x", "y", "z"), most_bytes=most)
    assert teacher.held == (most > 0)
    assert (teacher.classes, teacher.views, teacher.feature_size) == (("x", "y", "z"), 2, 2)
    found = teacher(batch([2, 0], view=1))
    assert found.logits.tolist() == [[18.0, 19.0, 20.0], [21.0, 22.0, 23.0]]
    assert found.features.tolist() == [[118.0, 119.0], [121.0, 122.0]]
    assert found.logits.dtype == found.features.dtype == torch.float32
    with pytest.raises(ValueError, match="view 2 of 2"):
        teacher(batch([0], view=2))


def test_a_row_that_no_batch_shows_is_not_a_number():
    teacher = StoredViews(Cache(), np.array([-1, 1]), classes=("a", "b", "c"))
    assert teacher(batch([0], view=0)).logits.isnan().all()
    assert teacher(batch([1], view=0)).logits.tolist() == [[3.0, 4.0, 5.0]]


def test_the_classes_must_be_as_many_as_the_columns():
    with pytest.raises(ValueError, match="2 class names for 3 classes"):
        StoredViews(Cache(), np.array([0]), classes=("a", "b"))


def test_outputs_are_no_part_of_a_checkpoint_and_move_with_the_module():
    teacher = StoredViews(Cache(), np.array([0, 1]), classes=("a", "b", "c"))
    assert teacher.state_dict() == {}
    assert {name for name, _ in teacher.to("meta").named_buffers()} == {"logits", "features"}
    assert {one.device.type for one in teacher.buffers()} == {"meta"}
