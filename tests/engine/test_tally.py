"""What is logged besides the loss: values that a step observed, and the time spent waiting for data."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.engine.tally import Tally
from modelheir.inference.runtime import Runtime
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms


def test_observed_values_are_means_over_the_epoch(toy, tmp_path):
    model, rows, seen = toy.net(seed=1), toy.rows(), []

    def objective(batches, step):
        batch = batches["train"]
        logits = model(batch.inputs).logits
        right = (logits.argmax(1) == batch.labels).float().mean()
        seen.append(right.item())
        step.observe("train/accuracy", right)
        return LossTerms({"task": cross_entropy(logits, batch.labels)})

    toy.run(
        [Stage("train", lambda _: Task({"model": model}, {"train": toy.make_stream()}, objective))], tmp_path, log=rows
    )
    for epoch, row in enumerate(rows):
        assert row["train/accuracy"] == pytest.approx(sum(seen[epoch * 5 : epoch * 5 + 5]) / 5)
        assert row["data_seconds"] >= 0


def test_steps_are_added_at_their_place_and_micro_batches_by_their_share():
    tally = Tally(Runtime("cpu"), 3)
    for position, losses in ((0, (1.0, 3.0)), (2, (5.0, float("inf")))):
        tally.begin(position)
        for loss in losses:
            tally.add(LossTerms({"task": torch.tensor(loss)}), torch.tensor(loss), 0.5)
    assert tally.losses.tolist() == [2.0, 0.0, float("inf")]
    assert tally.bad_step() == 2
    assert tally.bad_step(0, 2) is None
    assert tally.is_bad(2)
    assert not tally.is_bad(0)
