"""Five toy methods, one for each family to come, through the real engine, resume and run folder.

None of them may need a special case in ``engine/``; when one does, the types are wrong, not the method.
"""

import itertools

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, kl_div

from modelheir.plans import Stage, Task
from modelheir.types import LossTerms


def distil(toy):
    """(a) A frozen teacher with labelled and unlabelled batches, in two stages."""
    teacher = toy.net(seed=7, width=32).requires_grad_(False).eval()
    val = {"val": toy.make_stream(60, seed=8, train=False)}

    def soft(student, x):
        target = teacher(x).logits.softmax(1)
        return kl_div(student(x).logits.log_softmax(1), target, reduction="batchmean")

    def large(done):
        student = toy.net(seed=1)

        def objective(batches, step):
            return LossTerms({name: 0.5 * soft(student, batch.inputs) for name, batch in batches.items()})

        streams = {"labelled": toy.make_stream(100), "unlabelled": toy.make_stream(60, seed=4, labelled=False)}
        return Task({"model": student}, streams, objective, references={"teacher": teacher}, evaluate=val)

    def target(done):
        student = toy.net(seed=1)
        student.load_state_dict(done["large"].weights("model"))
        streams = {"labelled": toy.make_stream(100)}
        return Task(
            {"model": student},
            streams,
            lambda b, _: LossTerms({"soft": soft(student, b["labelled"].inputs)}),
            evaluate=val,
        )

    return [Stage("large", large), Stage("target", target)]


def adapt(toy):
    """(b) A chain of stages over time; each starts from the last one's best weights; only the head moves later."""

    def at(time):
        def prepare(done):
            model = toy.net(seed=2)
            if time:
                model.load_state_dict(done[f"t{time - 1}"].weights("model"))
                model.body.requires_grad_(False)

            def objective(batches, step):
                batch = batches["train"]
                return LossTerms({"task": cross_entropy(model(batch.inputs).logits, batch.labels)})

            val = {"val": toy.make_stream(60, seed=10 + time, train=False, shift=time * 0.3)}
            return Task(
                {"model": model}, {"train": toy.make_stream(seed=time, shift=time * 0.3)}, objective, evaluate=val
            )

        return prepare

    return [Stage(f"t{time}", at(time)) for time in range(3)]


def joint(toy):
    """(c) One model a time step, trained jointly on a sum over steps with a penalty between neighbours."""

    def prepare(done):
        models = {f"t{time}": toy.net(seed=time) for time in range(3)}
        names = list(models)

        def objective(batches, step):
            losses = [cross_entropy(models[t](batches[t].inputs).logits, batches[t].labels) for t in names]
            gaps = [
                (p - q).square().sum()
                for a, b in itertools.pairwise(names)
                for p, q in zip(models[a].parameters(), models[b].parameters(), strict=True)
            ]
            return LossTerms({"task": torch.stack(losses).sum(), "neighbours": 0.01 * torch.stack(gaps).sum()})

        streams = {t: toy.make_stream(seed=i, shift=i * 0.3) for i, t in enumerate(names)}
        val = {"val": toy.make_stream(60, seed=20, train=False, shift=0.6)}
        return Task(models, streams, objective, evaluate=val, publish="t2")

    return [Stage("joint", prepare)]


def look_ahead(toy):
    """(d) Two models with two optimisers; the teacher's gradient goes through the student's look-ahead step."""

    def prepare(done):
        teacher, student = toy.net(seed=3), toy.net(seed=4)

        def update(batches, step):
            labelled, unlabelled = batches["labelled"], batches["unlabelled"]
            weights = dict(student.named_parameters())
            pseudo = teacher(unlabelled.inputs).logits.softmax(1)
            before = cross_entropy(functional_call(student, weights, (unlabelled.inputs,)).logits, pseudo)
            grads = torch.autograd.grad(before, list(weights.values()), create_graph=True)
            ahead = {name: w - 0.1 * g for (name, w), g in zip(weights.items(), grads, strict=True)}
            after = cross_entropy(functional_call(student, ahead, (labelled.inputs,)).logits, labelled.labels)
            own = cross_entropy(teacher(labelled.inputs).logits, labelled.labels)
            step.backward(after + own)
            step.optimizers["student"].zero_grad()
            step.apply("teacher")
            learned = cross_entropy(student(unlabelled.inputs).logits, pseudo.detach())
            step.backward(learned)
            step.apply("student")
            return LossTerms({"feedback": after.detach(), "teacher": own.detach(), "student": learned.detach()})

        return Task(
            {"teacher": teacher, "model": student},
            {"unlabelled": toy.make_stream(100, labelled=False), "labelled": toy.make_stream(40, seed=6)},
            update=update,
            optimizers={"teacher": ("teacher",), "student": ("model",)},
            evaluate={"val": toy.make_stream(60, seed=8, train=False)},
        )

    return [Stage("train", prepare)]


class Plane(nn.Module):
    """A point in the plane ``origin + coordinates @ basis``, with what the search keeps between steps."""

    def __init__(self, size, dimensions=32):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.coordinates = nn.Parameter(torch.zeros(dimensions))
        self.register_buffer("basis", torch.linalg.qr(torch.randn(size, dimensions, generator=generator))[0].T)
        self.register_buffer("length", torch.tensor(1.0))


def line_search(toy):
    """(e) A step that evaluates the loss at several trial points and moves in a 32-dimensional plane."""

    def collect(done):
        model = toy.net(seed=5)

        def objective(batches, step):
            return LossTerms({"task": cross_entropy(model(batches["train"].inputs).logits, batches["train"].labels)})

        return Task({"model": model}, {"train": toy.make_stream()}, objective)

    def search(done):
        model = toy.net(seed=5)
        model.load_state_dict(done["collect"].weights("model"))
        names = {name: p.shape for name, p in model.named_parameters()}
        origin = nn.utils.parameters_to_vector(model.parameters()).detach()
        plane = Plane(origin.numel())

        def weights(coordinates):
            flat = origin + coordinates @ plane.basis
            parts = flat.split([shape.numel() for shape in names.values()])
            return {name: part.view(shape) for (name, shape), part in zip(names.items(), parts, strict=True)}

        def update(batches, step):
            batch = batches["train"]

            def loss(coordinates):
                out = functional_call(model, weights(coordinates), (batch.inputs,))
                torch.manual_seed(step.number)  # the same dropout at every trial point
                return cross_entropy(out.logits, batch.labels)

            here = plane.coordinates.detach().requires_grad_()
            value = loss(here)
            (gradient,) = torch.autograd.grad(value, here)
            gradient = step.mean(gradient)
            with torch.no_grad():
                trials = plane.length * torch.tensor([2.0, 1.0, 0.5, 0.0])
                losses = step.mean(torch.stack([loss(here - length * gradient) for length in trials]))
                plane.length.copy_(trials[losses.argmin()].clamp_min(1e-3))
                plane.coordinates.copy_(here - plane.length * gradient)
            return LossTerms({"task": losses.min()})

        val = {"val": toy.make_stream(60, seed=8, train=False)}
        return Task(
            {"plane": plane},
            {"train": toy.make_stream()},
            update=update,
            optimizers={},
            references={"model": model},
            evaluate=val,
            predict=lambda batch: functional_call(model, weights(plane.coordinates), (batch.inputs,)),
        )

    return [Stage("collect", collect), Stage("search", search)]


SHAPES = [distil, adapt, joint, look_ahead, line_search]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_learns_and_resumes_to_the_same_numbers(shape, toy, tmp_path):
    straight_rows, resumed_rows = toy.rows(), toy.rows()
    straight = toy.run(shape(toy), tmp_path / "straight", log=straight_rows)
    total = len(straight_rows) * 5  # steps
    for stop_after in (3, total // 2):  # inside the first epoch, and in a later stage or epoch
        with pytest.raises(toy.stopped):
            toy.run(shape(toy), tmp_path / "resumed", stop_after=stop_after, log=resumed_rows)
    resumed = toy.run(shape(toy), tmp_path / "resumed", log=resumed_rows)

    assert list(straight) == [stage.name for stage in shape(toy)]
    last = list(straight)[-1]
    modules = {"joint": ["t0", "t1", "t2"], "look_ahead": ["teacher", "model"], "line_search": ["plane"]}
    for module in modules.get(shape.__name__, ["model"]):
        a, b = straight[last].weights(module), resumed[last].weights(module)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert straight[last].metrics == resumed[last].metrics
    timing = {"images_per_second", "data_seconds", "steps"}
    strip = [
        [{k: v for k, v in row.items() if k not in timing} for row in rows] for rows in (straight_rows, resumed_rows)
    ]
    assert strip[0] == strip[1]
    if shape is distil:  # its teacher is random: what must improve is the match
        assert straight_rows[2]["loss"] < 0.7 * straight_rows[0]["loss"]
    else:
        assert straight[last].metrics["val/accuracy"] > 0.6


def test_terms_add_up_to_the_logged_loss(toy, tmp_path):
    rows = toy.rows()
    toy.run(joint(toy), tmp_path, log=rows)
    for row in rows:
        assert row["loss"] == pytest.approx(row["loss/task"] + row["loss/neighbours"], rel=1e-6)


def test_stage_reads_best_weights_of_the_one_before(toy, tmp_path):
    done = toy.run(adapt(toy), tmp_path, keep="best")
    first, second = done["t0"].weights("model"), done["t1"].weights("model")
    assert torch.equal(first["body.0.weight"], second["body.0.weight"])  # frozen there
    assert not torch.equal(first["head.weight"], second["head.weight"])
