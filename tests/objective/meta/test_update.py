"""Steps of Meta Co-Training against the algorithm written out by hand, and the faults of earlier programs."""

import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizer
from modelheir.engine.step import EngineStep
from modelheir.inference.runtime import Runtime
from modelheir.objective.meta import MetaConfig, MetaCoTraining

RATE = 0.1


def gradient(loss, head):
    return torch.autograd.grad(loss, list(head.parameters()), retain_graph=True)


def clipped(gradients, limit):
    norm = torch.stack([one.square().sum() for one in gradients]).sum().sqrt()
    return [one * min(1.0, limit / (norm.item() + 1e-6)) for one in gradients]


def move(head, gradients, limit):
    with torch.no_grad():
        for parameter, one in zip(head.parameters(), clipped(gradients, limit), strict=True):
            parameter -= RATE * one


def by_hand(heads, batches, labels, form, *, weight=1.0, limit=1e9, supervised=True, previous=True):
    """Do algorithm 3.3 for any number of views: plain loops, hard labels, SGD; rewards by one product a label."""
    heads = [copy.deepcopy(head) for head in heads.values()]
    x, y, u = batches["train"].inputs, batches["train"].labels, batches["unlabelled"].inputs
    views, count = range(len(heads)), len(labels[0])

    def pools(models):
        said = [model(inputs) for model, inputs in zip(models, u, strict=True)]
        return [sum(said[w] for w in views if w != v) / (len(heads) - 1) for v in views]

    teachers = [copy.deepcopy(head) for head in heads]  # at the weights that taught
    before = [cross_entropy(head(x[v]), y).item() for v, head in enumerate(heads)]
    taught = [gradient(cross_entropy(head(u[v]), labels[v]), head) for v, head in enumerate(heads)]
    singles = [
        [[gradient(cross_entropy(head(u[v])[[i]], torch.tensor([c])), head) for c in range(3)] for i in range(count)]
        for v, head in enumerate(heads)
    ]
    for head, g in zip(heads, taught, strict=True):
        move(head, g, limit)
    found = [gradient(cross_entropy(head(x[v]), y), head) for v, head in enumerate(heads)]
    after = [cross_entropy(head(x[v]), y).item() for v, head in enumerate(heads)]

    def product(a, b):
        return sum((one * other).sum() for one, other in zip(a, b, strict=True))

    if not previous:
        teachers = [copy.deepcopy(head) for head in heads]
    said = pools(teachers)
    if form == "exact":
        tables = [torch.stack([torch.stack([product(g, found[v]) for g in row]) for row in singles[v]]) for v in views]
        told = [-(said[v].softmax(1) * tables[v]).sum() / count for v in views]
    else:
        h = [product(taught[v], found[v]) if form == "dot" else before[v] - after[v] for v in views]
        told = [h[v] * cross_entropy(said[v], labels[v]) for v in views]
    total = weight * sum(told) / (len(heads) - 1)
    for head, teacher, own in zip(heads, teachers, found, strict=True):
        back = gradient(total, teacher)
        move(head, [a * supervised + b for a, b in zip(own, back, strict=True)], limit)
    return heads


def same(heads, expected, **tolerance):
    for head, other in zip(heads.values(), expected, strict=True):
        for one, wanted in zip(head.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(one, wanted, **{"rtol": 1e-9, "atol": 1e-12, **tolerance})


def drawn(heads, batches, seed):
    """Return the labels that the first step draws: every view's from the mean logits of the others."""
    step_generator = torch.Generator()
    step_generator.manual_seed(seed)
    said = torch.stack(
        [head(inputs) for head, inputs in zip(heads.values(), batches["unlabelled"].inputs, strict=True)]
    )
    pools = (said.sum(0) - said) / (len(said) - 1)
    return torch.multinomial(pools.softmax(2).flatten(0, 1), 1, generator=step_generator).view(pools.shape[:2])


@pytest.mark.parametrize("widths", [(4, 6), (4, 6, 3)])
@pytest.mark.parametrize("form", ["exact", "dot", "difference"])
@pytest.mark.parametrize("settings", [{}, {"limit": 0.3}, {"supervised": False}, {"previous": False}])
def test_a_step_is_the_algorithm_by_hand(meta, widths, form, settings):
    """3.3, and 3.4 for three views; a sign turned round in any form fails here."""
    heads, batches = meta.heads(widths), meta.batches(widths)
    step = meta.step(heads, lr=RATE, clip_norm=settings.get("limit", 0.0))
    labels = drawn(heads, batches, step.device_generator.initial_seed())
    expected = by_hand(heads, batches, labels, form, weight=5.0, **settings)
    turned = by_hand(heads, batches, labels, form, weight=-5.0, **settings)
    feedback = {"form": form, "weight": 5.0, "previous_params": settings.get("previous", True)}
    chosen = meta.config(feedback=feedback, supervised=settings.get("supervised", True))
    MetaCoTraining(heads, chosen, prior=meta.prior)({k: b for k, b in batches.items()}, step)
    same(heads, expected)
    with pytest.raises(AssertionError):
        same(heads, turned)


def test_without_feedback_and_unlabelled_samples_it_is_plain_training_bit_for_bit(meta):
    """T-6: beside a plain loop of torch over the labelled samples, one Adam a view."""
    found, terms, seen, _ = meta.train(meta.config(unlabelled_weight=0.0), steps=5, optimizer=torch.optim.Adam)
    heads = meta.heads()
    for number, head in enumerate(heads.values()):
        optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
        for step in range(5):
            batch = meta.batches(seed=step)["train"]
            optimizer.zero_grad()
            cross_entropy(head(batch.inputs[number]), batch.labels).backward()
            optimizer.step()
    assert all(torch.equal(found[key], value) for key, value in meta.weights(heads).items())
    assert list(terms.terms) == ["labelled/view_0", "labelled/view_1"]
    assert seen == {}


def test_exact_feedback_is_not_always_nothing(meta):
    """Q-1: gradients were read from a copy that had none. And Q-2: the supervised term was dropped."""
    chosen = {form: meta.config(feedback={"form": form}) for form in ("none", "exact", "dot", "difference")}
    chosen["bare"] = meta.config(supervised=False)
    found = {name: meta.train(one, steps=2)[0]["view_0/0.weight"] for name, one in chosen.items()}
    names = list(found)
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            assert not torch.equal(found[one], found[other]), (one, other)


def test_the_score_is_of_the_labels_that_were_handed_out(meta, monkeypatch):
    """Q-3: one draw a step, for teaching and for feedback alike; in training mode one pass with one dropout."""
    from modelheir.objective.meta import exchange

    calls, multinomial, seen = [], torch.multinomial, []
    monkeypatch.setattr(torch, "multinomial", lambda *a, **k: calls.append(multinomial(*a, **k)) or calls[-1])
    taught_loss = exchange.taught_loss
    monkeypatch.setattr(exchange, "taught_loss", lambda z, t, k: seen.append((z, t)) or taught_loss(z, t, k))
    chosen = meta.config(feedback={"form": "dot"}, teacher_mode="training")
    meta.train(chosen, head={"dropout": 0.5})
    assert len(calls) == 1
    labels = calls[0].view(2, -1)
    students, scores = seen[:2], seen[2:]
    for v in range(2):
        assert torch.equal(students[v][1], labels[v])
        assert torch.equal(scores[v][1], labels[v])


def test_the_losses_before_and_after_are_of_the_same_samples_whatever_dropout_draws(meta):
    """Q-4: where the student does not move, nothing has changed."""
    chosen = meta.config(feedback={"form": "difference"})
    _, _, seen, _ = meta.train(chosen, lr=0.0, head={"dropout": 0.5})
    assert seen["feedback/view_0"] == seen["feedback/view_1"] == 0
    _, _, seen, _ = meta.train(chosen, head={"dropout": 0.5})
    assert seen["feedback/view_0"] != 0


def test_all_forms_measure_the_same(meta):
    """The table's mean reward is the product; times the rate it is the difference, to the first order."""
    seen = {form: meta.train(meta.config(feedback={"form": form}), lr=1e-4)[2] for form in ("exact", "dot")}
    seen["difference"] = meta.train(meta.config(feedback={"form": "difference"}), lr=1e-4)[2]
    for view in ("feedback/view_0", "feedback/view_1"):
        torch.testing.assert_close(seen["exact"][view], seen["dot"][view], rtol=1e-9, atol=0)
        torch.testing.assert_close(seen["difference"][view] / 1e-4, seen["dot"][view], rtol=1e-2, atol=1e-5)


def test_each_view_may_have_a_shape_of_its_own_and_sees_its_own_samples(meta):
    """Q-6: one view's samples were sent over the others'."""
    batches = meta.batches((4, 4))
    plain = meta.train(meta.config(), widths=(4, 4), batches=batches)[0]
    other = dataclasses.replace(
        batches["unlabelled"], inputs=(batches["unlabelled"].inputs[0], batches["unlabelled"].inputs[1] * 2)
    )
    moved = meta.train(
        dataclasses.replace(meta.config(), targets=dataclasses.replace(meta.bare, kind="soft")),
        widths=(4, 4),
        batches={**batches, "unlabelled": other},
    )[0]
    assert not torch.equal(plain["view_1/0.weight"], moved["view_1/0.weight"])
    assert meta.train(meta.config(), widths=(4, 9, 2))[1].total.isfinite()


@pytest.mark.parametrize("form", ["exact", "dot", "difference", "none"])
@pytest.mark.parametrize("mode", ["evaluation", "training"])
def test_micro_batches_give_the_step_of_the_whole_batch(meta, form, mode):
    """T-10, Q-7: whatever their number, and where they do not divide the batch."""
    whole, parts = (
        meta.train(
            meta.config(targets={"kind": "sharpened"}, feedback={"form": form}, teacher_mode=mode, accumulate=count),
            steps=3,
        )[0]
        for count in (1, 4)
    )
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, rtol=1e-9, atol=1e-12)


def test_clipping_is_of_each_views_own_true_gradient(meta):
    """Q-5: no step is longer than rate x limit, and one that is shorter stays what it is."""
    heads = meta.heads()
    before = meta.weights(heads)
    step = meta.step(heads, lr=1.0, clip_norm=1e-3)
    MetaCoTraining(heads, meta.config(unlabelled_weight=0.0), prior=meta.prior)(meta.batches(), step)
    for name in heads:
        moved = [value - before[key] for key, value in meta.weights({name: heads[name]}).items()]
        assert torch.cat([one.flatten() for one in moved]).norm().item() == pytest.approx(1e-3, rel=1e-2)
    loose, free = (meta.train(meta.config(), clip_norm=limit)[0] for limit in (1e6, 0.0))
    assert all(torch.equal(loose[key], free[key]) for key in free)


def test_bf16_steps_agree_with_whole_ones(meta):
    """T-10: autocast on the CPU; the measurement of feedback stays whole."""
    found = {}
    for precision in ("fp32", "bf16"):
        heads = {name: head.float() for name, head in meta.heads().items()}
        step = meta.step(heads, precision=precision)
        batches = {
            name: dataclasses.replace(batch, inputs=tuple(view.float() for view in batch.inputs))
            for name, batch in meta.batches().items()
        }
        update = MetaCoTraining(heads, MetaConfig(), prior=meta.prior)
        with step._runtime.autocast(precision):
            update(batches, step)
        found[precision] = meta.weights(heads)
        assert step.observed()["feedback/view_0"].dtype == torch.float32
    for key, value in found["fp32"].items():
        torch.testing.assert_close(found["bf16"][key], value, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("changed", "usual"),
    [
        ({"targets": {"kind": "argmax"}}, {}),
        ({"targets": {"kind": "soft"}}, {}),
        ({"targets": {"kind": "sharpened", "temperature": 0.2}}, {"targets": {"kind": "sharpened"}}),
        ({"targets": {"confidence": 0.45}}, {}),
        ({"targets": {"align": True}}, {}),
        (
            {"targets": {"kind": "soft", "align": True, "align_decay": 0.1}},
            {"targets": {"kind": "soft", "align": True}},
        ),
        ({"targets": {"kind": "soft", "average_decay": 0.9}}, {"targets": {"kind": "soft"}}),
        (
            {"targets": {"kind": "soft", "average_decay": 0.9}},
            {"targets": {"kind": "soft", "average_decay": 0.5}},
        ),
        ({"feedback": {"form": "dot", "weight": 2.0}}, {"feedback": {"form": "dot"}}),
        ({"feedback": {"form": "dot", "baseline_decay": 0.9}}, {"feedback": {"form": "dot"}}),
        ({"feedback": {"form": "difference", "baseline_decay": 0.9}}, {"feedback": {"form": "difference"}}),
        ({"feedback": {"form": "exact", "scaled": True}}, {"feedback": {"form": "exact"}}),
        (
            {"feedback": {"form": "exact", "scaled": True, "centred": True}},
            {"feedback": {"form": "exact", "scaled": True}},
        ),
        ({"feedback": {"form": "exact", "shuffled": True}}, {"feedback": {"form": "exact"}}),
        ({"feedback": {"form": "dot", "shuffled": True}}, {"feedback": {"form": "dot"}}),
        ({"feedback": {"form": "dot", "previous_params": False}}, {"feedback": {"form": "dot"}}),
        ({"unlabelled_weight": 0.5}, {}),
        ({"supervised": False}, {}),
        ({"teacher_mode": "training"}, {}),
    ],
)
def test_every_option_reaches_the_weights(meta, changed, usual):
    one, other = (meta.train(meta.config(**some), steps=3, head={"dropout": 0.3})[0] for some in (changed, usual))
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_the_baseline_takes_off_the_mean_of_earlier_steps(meta):
    """Where nothing moves, the first step has its feedback, and every later one none."""
    chosen = meta.config(targets={"kind": "soft"}, feedback={"form": "dot", "baseline_decay": 0.99})
    heads = meta.heads()
    step, update = meta.step(heads, lr=1e-12), MetaCoTraining(heads, chosen, prior=meta.prior)
    told = [float(update(meta.batches(), step).terms["feedback"]) for _ in range(3)]
    assert abs(told[0]) > 1e-4
    assert told[1:] == pytest.approx([0, 0], abs=1e-9)
    seen = step.observed()
    raw = torch.stack([seen["feedback/view_0"], seen["feedback/view_1"]])
    torch.testing.assert_close(update.exchange.baseline.value, raw)


def test_teachers_teach_in_evaluation_mode_and_leave_statistics_to_the_training_passes(meta):
    """MC-32: two training passes a step (taught and labelled), whatever comes back."""
    for form in ("none", "exact", "dot", "difference"):
        found = meta.train(meta.config(feedback={"form": form}), head={"norm": True}, steps=3)[0]
        assert found["view_0/2.num_batches_tracked"] == 6, form
    found = meta.train(meta.config(teacher_mode="training"), head={"norm": True}, steps=3)[0]
    assert found["view_0/2.num_batches_tracked"] == 9


def test_a_view_that_says_one_class_ends_training_at_the_next_epoch(meta):
    heads, batches = meta.heads(), meta.batches()
    with torch.no_grad():
        heads["view_0"][-1].bias += torch.tensor([30.0, 0, 0])
    step = meta.step(heads, lr=0.0)
    update = MetaCoTraining(heads, meta.config(), prior=meta.prior, where="method.meta")
    update(batches, step)
    assert step.observed()["commonest/view_1"] > 0.99
    step.begin(1, 1)
    update(batches, step)
    step.begin(2, 2)
    with pytest.raises(InputError, match=r"labels given to view_1 collapsed by epoch 2.*method\.meta\.collapse_below"):
        update(batches, step)
    never = MetaCoTraining(heads, meta.config(collapse_below=0.0), prior=meta.prior)
    for epoch in range(3):
        step.begin(epoch, epoch)
        never(batches, step)


class Counting(TorchDispatchMode):
    """Counts numbers that the host reads from a tensor."""

    def __init__(self):
        super().__init__()
        self.read = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        if "_local_scalar_dense" in name or "is_nonzero" in name or "nonzero" in name or "equal.default" in name:
            self.read.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("form", ["exact", "dot", "difference", "none"])
@pytest.mark.parametrize("kind", ["sampled", "sharpened", "argmax"])
def test_a_step_reads_nothing_back_from_the_device(meta, form, kind):
    """T-17: neither logits nor a scalar; and no module runs but the heads, which see stored vectors."""
    heads = {name: head.float() for name, head in meta.heads().items()}
    fit = FitConfig(epochs=1, optimizer="adamw", lr=0.01, clip_norm=1.0)
    optimizers = {name: make_optimizer([head], fit) for name, head in heads.items()}
    step = EngineStep(Runtime("cpu"), fit, optimizers, stage="train", seed=0, steps=10)
    usual = MetaConfig()
    chosen = dataclasses.replace(
        usual,
        collapse_below=1e-4,
        feedback=dataclasses.replace(usual.feedback, form=form),
        targets=dataclasses.replace(usual.targets, kind=kind),
    )
    update = MetaCoTraining(heads, chosen, prior=meta.prior)
    batches = {
        name: dataclasses.replace(batch, inputs=tuple(view.float() for view in batch.inputs))
        for name, batch in meta.batches().items()
    }
    for number in range(2):
        step.begin(0, number)
        with Counting() as counting:
            update(batches, step)
    assert counting.read == []
    with Counting() as counting:
        update.check(0)
    assert counting.read  # the check is what reads


def test_a_resumed_run_goes_on_the_same(meta):
    usual = MetaConfig()
    for form in ("exact", "difference"):
        chosen = dataclasses.replace(usual, feedback=dataclasses.replace(usual.feedback, form=form))
        heads = meta.heads()
        step = meta.step(heads)
        update, found = MetaCoTraining(heads, chosen, prior=meta.prior), []
        for number in range(4):
            step.begin(0, number)
            update(meta.batches(seed=number), step)
            found.append(({k: v.clone() for k, v in update.state_dict().items()}, meta.weights(heads)))
        state, weights = found[1]
        again = meta.heads()
        for name, head in again.items():
            head.load_state_dict(
                {k.removeprefix(f"{name}/"): v for k, v in weights.items() if k.startswith(f"{name}/")}
            )
        step, other = meta.step(again), MetaCoTraining(again, chosen, prior=meta.prior)
        other.load_state_dict(state)
        for number in (2, 3):
            step.begin(0, number)
            other(meta.batches(seed=number), step)
        assert all(torch.equal(one, found[3][1][key]) for key, one in meta.weights(again).items())
        assert all(torch.equal(one, found[3][0][key]) for key, one in other.state_dict().items())


def test_the_kept_state_is_no_live_tensor(meta):
    """Q-10: what averages hold does not move with the weights."""
    heads, step = meta.heads(), meta.step(meta.heads())
    update = MetaCoTraining(heads, MetaConfig(), prior=meta.prior)
    step.optimizers = meta.step(heads).optimizers
    update(meta.batches(), step)
    before = {key: value.clone() for key, value in update.state_dict().items() if key.startswith("average")}
    assert before
    with torch.no_grad():
        for head in heads.values():
            for parameter in head.parameters():
                parameter += 1
    assert all(torch.equal(update.state_dict()[key], value) for key, value in before.items())


def test_says_what_is_wrong(meta):
    heads = meta.heads()
    with pytest.raises(InputError, match="needs two views or more, and got 1: add a view"):
        MetaCoTraining({"a": heads["view_0"]}, MetaConfig(), prior=meta.prior)
    shared = nn.Sequential(heads["view_0"])
    with pytest.raises(ValueError, match="two heads share a parameter"):
        MetaCoTraining({"a": heads["view_0"], "b": shared}, MetaConfig(), prior=meta.prior)
    with pytest.raises(InputError, match="nothing to learn from"):
        MetaCoTraining(heads, MetaConfig(unlabelled_weight=0.0, supervised=False), prior=meta.prior)
    update = MetaCoTraining(heads, MetaConfig(), prior=meta.prior)
    with pytest.raises(ValueError, match=r"a batch has 3 views for 2 heads \(view_0, view_1\)"):
        update(meta.batches((4, 6, 3)), meta.step(heads))
    one = dataclasses.replace(meta.batches()["train"], inputs=torch.zeros(7, 4))
    with pytest.raises(ValueError, match="a batch has 1 views for 2 heads"):
        update({**meta.batches(), "train": one}, meta.step(heads))
