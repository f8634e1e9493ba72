"""Heads on the labels alone: equal to plain training, each by itself (T-6), and what the loss is of joined heads."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.methods.cotrain.supervised import against_labels, views_task, wide_task
from modelheir.types import Outputs


@pytest.mark.parametrize("dropout", [0.0])
def test_heads_trained_together_are_heads_trained_alone_bit_for_bit(world, few, make_build, plain, dropout):
    """T-6: a plain loop of torch over the same batches, one optimiser a view."""
    done = few(world.run, "run", given=plain, algorithms=("supervised",))
    found = done["supervised"].weights("model")
    build = make_build()
    stream = build.repeated(build.views.stream(build.labelled, train=True, split="train"))
    for place, (name, head) in enumerate(build.heads().items()):
        head.train()
        optimizer = torch.optim.SGD(head.parameters(), lr=plain.fit.lr)
        for epoch in range(plain.fit.epochs):
            for batch in stream.epoch(epoch):
                optimizer.zero_grad()
                cross_entropy(head(batch.inputs[place]).logits, batch.labels).backward()
                optimizer.step()
        for key, value in head.state_dict().items():
            assert torch.equal(found[f"heads.{name}.{key}"], value), f"{name} {key}"


def test_every_head_alone_is_a_term_of_the_loss(make_build):
    build = make_build()
    heads = build.heads()
    task = views_task(build, heads, dict.fromkeys(build.names, build.labelled))
    assert list(task.streams) == ["train"]
    batch = next(iter(task.streams["train"].epoch(0)))
    terms = task.objective({"train": batch}, None).terms
    for place, (name, head) in enumerate(heads.items()):
        expected = cross_entropy(head(batch.inputs[place]).logits, batch.labels)
        torch.testing.assert_close(terms[name], expected)


def test_views_can_learn_from_samples_of_their_own(make_build):
    build = make_build()
    both = build.named(np.arange(4), np.zeros(4))
    task = views_task(build, build.heads(), {"view_1": build.labelled, "view_2": both})
    assert {name: len(stream.ids) for name, stream in task.streams.items()} == {"view_1": 15, "view_2": 19}
    batches = {name: next(iter(stream.epoch(0))) for name, stream in task.streams.items()}
    assert set(task.objective(batches, None).terms) == {"view_1", "view_2"}


def test_one_head_on_all_views_reads_them_joined(make_build):
    build = make_build()
    task = wide_task(build, build.labelled)
    batch = next(iter(task.streams["train"].epoch(0)))
    head = task.modules["model"].heads["all"]
    expected = cross_entropy(head(torch.cat(batch.inputs, 1)).logits, batch.labels)
    torch.testing.assert_close(task.objective({"train": batch}, None).terms["all"], expected)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 7.0]])
def test_the_loss_is_the_mean_over_joined_heads_of_the_weighted_mean(draw, members, weights):
    each, labels = [draw(6, 3) for _ in range(members)], torch.tensor([0, 2, 1, 1, 0, 2])
    said = Outputs(sum(each) / members, draw(6, 2), tuple(each) if members > 1 else ())
    weights = None if weights is None else torch.tensor(weights)
    expected = sum(cross_entropy(one, labels, weight=weights) for one in each) / members
    torch.testing.assert_close(against_labels(said, labels, weights), expected)


def test_joined_heads_each_learn_as_if_alone(world, few, plain):
    """Bagging of heads: each has its own draw and its own loss, so no two end alike."""
    done = few(world.run, "run", given=plain, algorithms=("supervised",), head__members=2)
    weights = done["supervised"].weights("model")
    stacked = [value for value in weights.values() if value.ndim == 3]
    assert stacked
    assert all(not torch.equal(one[0], one[1]) for one in stacked)
