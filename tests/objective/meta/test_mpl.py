"""Meta Pseudo Labels: a step by hand, what the student may see, the consistency, and what is wrong."""

import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.checks import InputError
from modelheir.objective.meta import FeedbackConfig, MetaPseudoLabels, MetaPseudoLabelsConfig
from modelheir.objective.meta.mpl import consistency


def one_view(meta, **settings):
    return {
        name: dataclasses.replace(batch, inputs=batch.inputs[0])
        for name, batch in meta.batches((4, 4), **settings).items()
    }


def config(meta, *, targets=None, feedback=None, **settings):
    raw = {"form": "dot", "weight": 1.0, "baseline_decay": 0.0, "centred": False, "scaled": False}
    chosen = dataclasses.replace(meta.bare, **(targets or {}))
    return MetaPseudoLabelsConfig(chosen, FeedbackConfig(**{**raw, **(feedback or {})}), **settings)


def train(meta, chosen, *, steps=1, dropout=0.0, batches=None, **settings):
    both = {"teacher": meta.head(4, 1, dropout=dropout), "student": meta.head(4, 2, hidden=3, dropout=dropout)}
    step = meta.step(both, **settings)
    update = MetaPseudoLabels(both["teacher"], both["student"], chosen, prior=meta.prior)
    terms = None
    for number in range(steps):
        step.begin(0, number)
        terms = update(batches or one_view(meta, seed=number), step)
    return both, terms, step.observed(), update


def products(a, b):
    return sum((one * other).sum() for one, other in zip(a, b, strict=True))


@pytest.mark.parametrize("form", ["dot", "difference"])
def test_a_step_is_the_algorithm_by_hand(meta, form):
    """The student on the teacher's labels; then the teacher on its labelled loss and h times its own; SGD."""
    chosen, rate, weight = config(meta, targets={"kind": "argmax"}, feedback={"form": form, "weight": 4.0}), 0.1, 4.0
    both, terms, seen, _ = train(meta, chosen, lr=rate)
    teacher, student = meta.head(4, 1), meta.head(4, 2, hidden=3)
    batches = one_view(meta)
    x, y, u = batches["train"].inputs, batches["train"].labels, batches["unlabelled"].inputs

    def gradient(loss, module):
        return torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)

    def move(module, gradients):
        with torch.no_grad():
            for parameter, one in zip(module.parameters(), gradients, strict=True):
                parameter -= rate * one

    labels = teacher(u).argmax(1)
    before = cross_entropy(student(x), y).item()
    g = gradient(cross_entropy(student(u), labels), student)
    move(student, g)
    after = cross_entropy(student(x), y)
    h = products(g, gradient(after, student)) if form == "dot" else before - after.item()
    loss = cross_entropy(teacher(x), y) + weight * h * cross_entropy(teacher(u), labels)
    torch.testing.assert_close(terms.terms["labelled"] + terms.terms["feedback"], loss.detach())
    torch.testing.assert_close(seen["feedback/student"], torch.as_tensor(h).double().detach())
    move(teacher, gradient(loss, teacher))
    for name, module in (("teacher", teacher), ("student", student)):
        for one, wanted in zip(both[name].parameters(), module.parameters(), strict=True):
            torch.testing.assert_close(one, wanted, rtol=1e-9, atol=1e-12)


def test_the_student_sees_no_label_of_a_person(meta):
    batches = one_view(meta)
    turned = {**batches, "train": dataclasses.replace(batches["train"], labels=2 - batches["train"].labels)}
    chosen = config(meta, targets={"kind": "soft"})
    one, other = (train(meta, chosen, batches=some)[0] for some in (batches, turned))
    assert all(
        torch.equal(a, b) for a, b in zip(one["student"].parameters(), other["student"].parameters(), strict=True)
    )
    assert not torch.equal(one["teacher"][0].weight, other["teacher"][0].weight)


@pytest.mark.parametrize("form", ["exact", "dot", "difference"])
def test_feedback_reaches_the_teacher_alone(meta, form):
    one = train(meta, config(meta, feedback={"form": form}))[0]
    other = train(meta, config(meta, feedback={"form": "none"}))[0]
    assert torch.equal(one["student"][0].weight, other["student"][0].weight)
    assert not torch.equal(one["teacher"][0].weight, other["teacher"][0].weight)


def test_consistency_is_by_hand_and_has_no_gradient_into_the_first_draw(draw):
    first, second = draw(6, 3, dtype=torch.float64).requires_grad_(), draw(6, 3, dtype=torch.float64).requires_grad_()
    found = consistency(first, second, temperature=0.4, threshold=0.5)
    p = first.detach().softmax(1)
    sharp = p ** (1 / 0.4) / (p ** (1 / 0.4)).sum(1, keepdim=True)
    wanted = -(sharp * second.log_softmax(1)).sum(1) * (p.amax(1) >= 0.5)
    assert 0 < (wanted > 0).sum() < 6
    torch.testing.assert_close(found, wanted)
    found.sum().backward()
    assert first.grad is None


@pytest.mark.parametrize(
    ("changed", "usual"),
    [
        ({"consistency_weight": 1.0}, {}),
        ({"consistency_weight": 2.0}, {"consistency_weight": 1.0}),
        ({"consistency_temperature": 0.9}, {}),
        ({"consistency_threshold": 0.45}, {}),
        ({"noise": 0.5}, {}),
        ({"teacher_mode": "training"}, {}),
        ({"targets": {"kind": "soft"}}, {}),
        (
            {"targets": {"kind": "soft", "average_decay": 0.9}},
            {"targets": {"kind": "soft", "average_decay": 0.5}},
        ),
        ({"feedback": {"weight": 3.0}}, {}),
    ],
)
def test_every_option_reaches_the_weights(meta, changed, usual):
    base = {"consistency_threshold": 0.0} | ({} if "consistency_weight" in changed else {"consistency_weight": 1.0})
    one, other = (
        train(meta, config(meta, **{**base, **some}), steps=2, dropout=0.3)[0]["teacher"][0].weight
        for some in (changed, usual)
    )
    assert not torch.equal(one, other)


def test_without_noise_and_dropout_two_draws_are_one(meta):
    """The loss is then the cross-entropy to the sharpened output itself."""
    chosen = config(meta, consistency_weight=2.0, consistency_threshold=0.0, noise=0.0)
    _, terms, _, _ = train(meta, chosen, lr=0.0)
    said = meta.head(4, 1)(one_view(meta)["unlabelled"].inputs)
    wanted = 2 * cross_entropy(said, (said / 0.4).softmax(1))
    torch.testing.assert_close(terms.terms["consistency"], wanted.detach())


def test_micro_batches_give_the_step_of_the_whole_batch(meta):
    """T-10: the student's passes, the labelled ones and those of the consistency."""
    ends = []
    for count in (1, 4):
        chosen = config(meta, consistency_weight=1.0, consistency_threshold=0.0, accumulate=count)
        both, terms, _, update = train(meta, chosen, steps=2)
        assert update.exchange.accumulate == count
        ends.append((meta.weights(both), terms.terms))
    for one, other in zip(*ends, strict=True):
        for key, value in one.items():
            torch.testing.assert_close(other[key], value, rtol=1e-9, atol=1e-12)


def test_a_resumed_run_goes_on_the_same(meta):
    chosen = MetaPseudoLabelsConfig(consistency_weight=1.0)
    whole = train(meta, chosen, steps=4)[0]
    both, _, _, update = train(meta, chosen, steps=3)
    other = MetaPseudoLabels(both["teacher"], both["student"], chosen, prior=meta.prior)
    other.load_state_dict({key: value.clone() for key, value in update.state_dict().items()})
    step = meta.step(both)
    step.begin(0, 3)
    other(one_view(meta, seed=3), step)
    for name, module in whole.items():
        assert all(torch.equal(value, both[name].state_dict()[key]) for key, value in module.state_dict().items())


def test_a_teacher_that_says_one_class_ends_training(meta):
    both, _, _, _ = train(meta, config(meta))
    with torch.no_grad():
        both["teacher"][-1].bias += torch.tensor([30.0, 0, 0])
    update = MetaPseudoLabels(both["teacher"], both["student"], config(meta), prior=meta.prior)
    step = meta.step(both)
    for epoch in range(2):
        step.begin(epoch, epoch)
        update(one_view(meta), step)
    step.begin(2, 2)
    with pytest.raises(InputError, match="labels given to student collapsed by epoch 2"):
        update(one_view(meta), step)


def test_says_what_is_wrong(meta):
    with pytest.raises(ValueError, match="take one view, and a batch has 2: choose or join them"):
        train(meta, config(meta), batches=meta.batches((4, 4)))
