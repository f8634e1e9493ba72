"""Batches that are waited for, repeated and cut."""

import time

import pytest
import torch

from modelheir.checks import InputError
from modelheir.engine.batches import Waiting, repeat, split
from modelheir.types import Batch


def test_waiting_counts_the_data_s_time_and_not_the_step_s():
    def slow():
        for number in range(3):
            time.sleep(0.02)
            yield number

    waiting = Waiting(slow())
    for _ in waiting:
        time.sleep(0.05)
    assert 0.06 <= waiting.seconds < 0.15


def test_a_stream_repeats_from_any_batch_and_counts_over_epochs(toy):
    stream = toy.make_stream(66)  # three batches an epoch
    whole = [batch.index.tolist() for epoch in range(3) for batch in stream.epoch(epoch)]
    again = repeat(stream, 4)
    assert [next(again).index.tolist() for _ in range(5)] == whole[4:]


def test_parts_of_a_batch_carry_every_field_in_order():
    rows = torch.arange(6)
    batch = Batch(
        (rows * 1.0, rows * 2.0), rows % 3, rows, targets=rows * 3.0, extra={"old": rows * 4.0}, labelled=True, view=5
    )
    parts = list(split(batch, 3))
    assert [len(part) for part in parts] == [2, 2, 2]
    assert {(part.labelled, part.view, part.crops) for part in parts} == {(True, 5, False)}
    for name, factor in {"labels": None, "index": 1, "targets": 3}.items():
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, rows % 3 if factor is None else rows * (1.0 * factor)), name
    assert torch.equal(torch.cat([part.inputs[1] for part in parts]), rows * 2.0)
    assert torch.equal(torch.cat([part.extra["old"] for part in parts]), rows * 4.0)
    with pytest.raises(InputError, match="must divide the 6 images"):
        list(split(batch, 4))
