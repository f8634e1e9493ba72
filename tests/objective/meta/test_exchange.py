"""What a lesson hands back, in the cases that a whole step hides: masks, weights of losses, a frozen part."""

import torch
from torch.nn.functional import cross_entropy

from modelheir.objective.meta import FeedbackConfig, TargetConfig, reward_table
from modelheir.objective.meta.exchange import Exchange
from modelheir.objective.meta.giving import Giving
from modelheir.objective.meta.heads import own
from modelheir.objective.meta.known import known_samples
from modelheir.objective.meta.targets import others


def lesson(meta, heads, *, targets=None, widths=(4, 6), lr=0.1, unlabelled_weight=1.0, **feedback):
    """Return what came of one lesson, what was observed, and the batches."""
    usual = {"kind": "soft", "confidence": 0.0, "align": False, "average_decay": 0.0}
    giving = Giving(
        heads,
        others,
        TargetConfig(**{**usual, **(targets or {})}),
        students=list(heads),
        prior=meta.prior,
        below=0.0,
        where="method",
    )
    raw = {"form": "exact", "weight": 1.0, "centred": False, "scaled": False, "baseline_decay": 0.0}
    exchange = Exchange(giving, heads, FeedbackConfig(**{**raw, **feedback}), unlabelled_weight=unlabelled_weight)
    batches, step = meta.batches(widths), meta.step(heads, lr=lr)
    views = {name: dict(zip(heads, batch.inputs, strict=True)) for name, batch in batches.items()}
    found = exchange(known_samples(batches["train"], views["train"], step), views["unlabelled"], step)
    return found, step.observed(), batches


def tables(heads, found, inputs):
    """Return each student's rewards where no student has moved."""
    return [
        reward_table(head, one, own(found.gradients, head)) for head, one in zip(heads.values(), inputs, strict=True)
    ]


def test_samples_that_are_not_taught_bring_nothing_back(meta):
    """By hand, at a rate of 0: only kept rows have a reward, and the mean is over all rows."""
    heads = meta.heads()
    found, seen, batches = lesson(meta, heads, targets={"confidence": 0.45}, lr=0.0)
    u = batches["unlabelled"].inputs
    total = 0
    for number, table in enumerate(tables(heads, found, u)):
        teacher = list(heads.values())[1 - number]
        p = teacher(u[1 - number]).softmax(1)
        kept = p.amax(1) >= 0.45
        assert 0 < kept.sum() < 9
        torch.testing.assert_close(seen[f"taught/view_{number}"].double(), kept.double().mean())
        worth = (p * table).sum(1) * kept
        torch.testing.assert_close(seen[f"feedback/view_{number}"], worth.mean().detach())
        total = total - worth.mean()
    torch.testing.assert_close(found.told, total.detach())
    for head in heads.values():
        wanted = torch.autograd.grad(total, list(head.parameters()), retain_graph=True)
        for parameter, one in zip(head.parameters(), wanted, strict=True):
            torch.testing.assert_close(found.back[parameter], one)


def test_feedback_to_sharpened_targets_goes_through_the_temperature(meta):
    heads = meta.heads()
    found, _, batches = lesson(meta, heads, targets={"kind": "sharpened", "temperature": 0.5}, lr=0.0)
    u, parts = batches["unlabelled"].inputs, []
    for number, table in enumerate(tables(heads, found, u)):
        teacher = list(heads.values())[1 - number]
        parts.append(-((teacher(u[1 - number]) / 0.5).softmax(1) * table).sum(1).mean())
    head = heads["view_0"]
    for parameter, one in zip(head.parameters(), torch.autograd.grad(sum(parts), list(head.parameters())), strict=True):
        torch.testing.assert_close(found.back[parameter], one)


def test_the_weight_of_what_is_taught_is_the_weight_of_its_worth(meta):
    for form in ("exact", "dot"):
        one, other = (
            lesson(meta, meta.heads(), form=form, unlabelled_weight=weight, lr=0.0)[1] for weight in (1.0, 3.0)
        )
        torch.testing.assert_close(other["feedback/view_0"], 3 * one["feedback/view_0"])


def test_averaged_teachers_teach_and_those_that_train_are_told(meta):
    heads = meta.heads()
    found, _, _ = lesson(meta, heads, targets={"average_decay": 0.5})
    assert set(found.back) == {parameter for head in heads.values() for parameter in head.parameters()}
    assert all(one.abs().sum() > 0 for one in found.back.values())


def test_nothing_comes_back_where_it_is_off(meta):
    for settings in ({"form": "none"}, {"form": "exact", "weight": 0.0}):
        found, seen, _ = lesson(meta, meta.heads(), **settings)
        assert (found.back, found.told) == ({}, None)
        assert not any(name.startswith("feedback") for name in seen)


def test_a_part_that_is_frozen_stays_and_has_no_feedback(meta):
    for form in ("exact", "dot", "difference"):
        heads = meta.heads()
        for parameter in heads["view_0"][0].parameters():
            parameter.requires_grad_(False)
        before = heads["view_0"][0].weight.clone()
        found, _, _ = lesson(meta, heads, form=form)
        assert not set(found.back) & set(heads["view_0"][0].parameters())
        assert torch.equal(heads["view_0"][0].weight, before)


def test_the_terms_are_the_losses_of_the_passes_that_trained(meta):
    heads = meta.heads()
    found, _, batches = lesson(meta, heads, targets={"kind": "argmax"}, lr=0.0)
    u, x = batches["unlabelled"].inputs, batches["train"]
    for number, (name, head) in enumerate(heads.items()):
        labels = list(heads.values())[1 - number](u[1 - number]).argmax(1)
        torch.testing.assert_close(found.taught[name], cross_entropy(head(u[number]), labels).detach())
        torch.testing.assert_close(found.labelled[name], cross_entropy(head(x.inputs[number]), x.labels).detach())


def test_shuffled_feedback_is_about_other_samples_and_as_large(meta):
    """Rewards are permuted among samples: the worth that is logged stays what it is."""
    (plain, seen, _), (shuffled, also, _) = (lesson(meta, meta.heads(), shuffled=on, lr=0.0) for on in (False, True))
    assert seen["feedback/view_0"] == also["feedback/view_0"]
    assert plain.told != shuffled.told
