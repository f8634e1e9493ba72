"""A stream repeated gives the batches of its epochs one after another, cut where the pool's epoch ends."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.data import tensor_stream
from modelheir.data.streams.repeated import Repeated


def stream(samples=7, batch_size=2):
    values = torch.arange(samples)
    return tensor_stream(values[:, None].float(), values, batch_size=batch_size, train=True, seed=3)


@settings(deadline=None)
@given(batches=st.integers(1, 9), epochs=st.integers(1, 4))
def test_batches_are_those_of_the_stream_one_epoch_after_another(batches, epochs):
    inner = stream()
    whole = [batch.labels.tolist() for epoch in range(20) for batch in inner.epoch(epoch)]
    repeated = Repeated(inner, batches)
    assert len(repeated) == batches
    found = [batch.labels.tolist() for epoch in range(epochs) for batch in repeated.epoch(epoch)]
    assert found == whole[: batches * epochs]


@settings(deadline=None)
@given(batches=st.integers(2, 9), epoch=st.integers(0, 3), start=st.integers(0, 8))
def test_an_epoch_goes_on_from_any_batch(batches, epoch, start):
    start = min(start, batches)
    repeated = Repeated(stream(), batches)
    whole = [batch.labels.tolist() for batch in repeated.epoch(epoch)]
    assert [batch.labels.tolist() for batch in repeated.epoch(epoch, start)] == whole[start:]


def test_it_says_what_the_stream_says():
    inner = stream()
    repeated = Repeated(inner, 3)
    for name in ("split", "ids", "labels", "classes", "columns"):
        assert getattr(repeated, name) is getattr(inner, name)


def test_a_stream_without_a_batch_and_no_batches_are_refused():
    with pytest.raises(ValueError, match="batches"):
        Repeated(stream(), 0)
