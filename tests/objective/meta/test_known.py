import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.objective.meta.known import known_loss, known_samples, mean_gradients


def test_the_mean_is_over_samples_that_have_a_label(meta, draw):
    step = meta.step(heads := meta.heads())
    batch = meta.batches()["train"]
    labels = batch.labels.clone()
    labels[[1, 4]] = -1
    known = known_samples(dataclasses.replace(batch, labels=labels, labelled=False), {}, step)
    logits = draw(7, 3)
    torch.testing.assert_close(known_loss(logits, known), cross_entropy(logits, labels, ignore_index=-1))
    assert known_samples(batch, {}, step).weights is None
    assert len(heads) == 2


def test_a_batch_without_any_label_costs_nothing(meta, draw):
    batch = meta.batches()["unlabelled"]
    known = known_samples(batch, {}, meta.step(meta.heads()))
    assert known_loss(draw(9, 3), known) == 0


@pytest.mark.parametrize("parts", [1, 2, 3, 9, 20])
def test_micro_batches_of_any_size_give_the_loss_and_the_gradient_of_the_whole(meta, parts):
    heads, batch = meta.heads(), meta.batches(labelled=9)["train"]
    step, sizes = meta.step(heads), []
    inputs = dict(zip(heads, batch.inputs, strict=True))

    def loss(name, head, rows):
        sizes.append(len(batch.labels[rows]))
        return cross_entropy(head(inputs[name][rows]), batch.labels[rows])

    values, gradients = mean_gradients(heads, loss, 9, step, parts=parts)
    assert max(sizes) == -(-9 // parts)
    for name, head in heads.items():
        whole = cross_entropy(head(inputs[name]), batch.labels)
        torch.testing.assert_close(values[name], whole.detach())
        for parameter, wanted in zip(head.parameters(), torch.autograd.grad(whole, head.parameters()), strict=True):
            torch.testing.assert_close(gradients[parameter], wanted)
