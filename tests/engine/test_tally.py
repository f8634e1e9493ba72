"""What is logged besides the loss: values that a step observed, and the time spent waiting for data."""

import pytest
from torch.nn.functional import cross_entropy

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
