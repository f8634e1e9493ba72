"""Pulls on mixed images: what needs one label an image is refused when the stages are planned."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.unread import refuse_unread
from modelheir.models import Classifier, StoredOutputs
from modelheir.objective.distances import DistanceConfig
from modelheir.objective.pull import Pull, Towards, accept_pull
from modelheir.types import Batch, Outputs

ALL = {"pull__filter": "all_pass"}


def mixed(world, **inputs):
    return world.given(inputs=InputConfig(**(inputs or {"mixup": 0.8})))


def plan(world, name, given, **settings):
    return world.plan(name, given, **settings)


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("upgrade", {}, "method.pull.filter = 'old_correct'"),
        ("upgrade", {"pull__filter": "neg_flip"}, "method.pull.filter = 'neg_flip'"),
        ("upgrade", {**ALL, "distance__loss": "new_error"}, "method.distance.loss = 'new_error'"),
        (
            "upgrade",
            {**ALL, "distance__loss": "retentive_cross_entropy"},
            "method.distance.loss = 'retentive_cross_entropy'",
        ),
        ("upgrade", {**ALL, "distance__loss": "strict_imitation"}, "method.distance.loss = 'strict_imitation'"),
        ("upgrade", {**ALL, "distance__mix_with": "new_error"}, "method.distance.mix_with = 'new_error'"),
        (
            "upgrade",
            {**ALL, "distance__loss": "neighbourhood_alignment", "distance__neighbourhood_alignment__supervised": True},
            "method.distance.neighbourhood_alignment.supervised = True",
        ),
        (
            "upgrade",
            {**ALL, "distance__loss": "contrastive_feature_alignment"},
            "method.distance.loss = 'contrastive_feature_alignment'",
        ),
        (
            "upgrade",
            {**ALL, "distance__loss": "logit_difference", "distance__logit_difference__label_weight": 1.0},
            "method.distance.logit_difference.label_weight = 1.0",
        ),
        ("upgrade", {"scheme": "muscle"}, "method.scheme = 'muscle'"),
        ("upgrade", {"scheme": "double_source"}, "method.scheme = 'double_source'"),
        ("elodi", {"pull__filter": "old_correct"}, "method.pull.filter = 'old_correct'"),
        ("elodi", {"distance__loss": "new_error"}, "method.distance.loss = 'new_error'"),
        ("elodi", {"old_pull__weight": 1.0}, "method.old_pull.filter = 'old_correct'"),
        (
            "elodi",
            {"old_pull__weight": 1.0, "old_pull__filter": "all_pass", "old_distance__loss": "new_error"},
            "method.old_distance.loss = 'new_error'",
        ),
        ("self_distill", {}, "method.weight = 1.0"),
    ],
)
@pytest.mark.parametrize("inputs", [{"mixup": 0.8}, {"cutmix": 1.0}])
def test_what_needs_one_label_an_image_is_refused(world, name, settings, key, inputs):
    world.fit = dataclasses.replace(world.fit, epochs=6)  # the fewest in which self_distill's bank has a target
    with pytest.raises(InputError) as raised:
        plan(world, name, mixed(world, **inputs), **settings)
    assert str(raised.value).startswith(key)
    assert "inputs.mixup" in str(raised.value)
    assert plan(world, name, world.given(), **settings)  # unmixed images have a label each


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("upgrade", {**ALL, "distance__loss": "logit_difference"}),
        ("upgrade", {**ALL, "distance__loss": "neighbourhood_alignment"}),
        ("upgrade", {"pull__weight": 0.0}),
        ("elodi", {"members": 1}),
        ("self_distill", {"weight": 0.0}),
    ],
)
def test_what_needs_no_label_trains_on_mixed_images(world, rows, name, settings):
    log = rows()
    world.run(name, "mixed", given=mixed(world), log=log, **settings)
    pulls = [value for row in log for key, value in row.items() if key.startswith("loss/") and key != "loss/task"]
    assert all(value > 0 for value in pulls)
    assert bool(pulls) == ("weight" not in str(settings))


def test_student_and_teacher_see_one_mixture_of_one_view(world):
    """Also where every epoch shows the same view, of which a teacher's outputs are kept if nothing is mixed."""
    still = InputConfig(augment="none")
    given = world.given(inputs=dataclasses.replace(still, mixup=0.8))
    (stage,) = plan(world, "upgrade", given, **ALL)
    task = stage.prepare({})
    (batch,), (clean,) = (list(one.data.stream().epoch(0))[:1] for one in (given, world.given(inputs=still)))
    (member,) = (one for one in task.references["teacher"].modules() if isinstance(one, Classifier))
    seen = {}
    for name, model in (("student", task.modules["model"]), ("teacher", member)):
        model.register_forward_hook(lambda module, inputs, outputs, name=name: seen.update({name: inputs[0]}))
    terms = task.objective({"train": batch}, Step()).terms
    assert set(terms) == {"task", "kl_distillation"}
    pair = int((clean.labels[0::2] != clean.labels[1::2]).nonzero()[0]) * 2  # neighbours of other labels are mixed
    share = batch.targets[pair, clean.labels[pair]]
    assert 0 < share < 1
    mixture = share * clean.inputs[pair] + (1 - share) * clean.inputs[pair + 1]
    for inputs in seen.values():
        assert torch.equal(inputs, batch.inputs)
        torch.testing.assert_close(inputs[pair], mixture)
    assert set(seen) == {"student", "teacher"}
    (stored,) = plan(world, "upgrade", world.given(inputs=still), **ALL)
    assert isinstance(stored.prepare({}).references["teacher"], StoredOutputs)


class Step:
    """The least a pull reads of the engine."""

    epoch, gather = 2, None


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({}, [6.0, 1.0, 6.0]),
        ({"base": 0.5, "focus": 2.0}, [2.5, 0.5, 2.5]),
        ({"filter": "likelihood", "base": 2.0, "focus": 10.0}, [2.0, 4.0, 7.0]),
        ({"filter": "all_pass"}, [1.0, 1.0, 1.0]),
    ],
)
def test_a_pull_weighs_images_by_its_filter_and_the_term_by_its_weight(world, settings, weights):
    """An old model that is right on the first and the last of three images."""
    model = world.given().model.build()
    teacher = SimpleNamespace(classes=model.classes, feature_size=4)
    new, old = (Outputs(torch.tensor(rows), torch.zeros(3, 4)) for rows in (NEW, OLD))
    batch = Batch(
        torch.zeros(3, 1), torch.tensor([0, 0, 2]), torch.arange(3), extra={"likelihood": torch.tensor([0.0, 0.2, 0.5])}
    )
    pull = Pull(weight=3.0, normalize=False, **settings)
    towards = Towards(teacher, model, pull, DistanceConfig(loss="logit_matching"), seed=0)
    term = towards.term(new, old, batch, Step())
    assert term.weights.tolist() == pytest.approx(weights)
    assert term.loss_weight == 3.0
    assert term.values.tolist() == pytest.approx(
        [((torch.tensor(a) - torch.tensor(b)) ** 2).mean().item() for a, b in zip(NEW, OLD, strict=True)]
    )


NEW = [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]
OLD = [[4.0, 0.0, 0.0], [0.0, 5.0, 1.0], [0.0, 1.0, 6.0]]


def test_a_share_of_nothing_is_a_share():
    assert Pull(mix_alpha=0.0).share == 0.0
    assert Pull().share is None
    assert [Pull(start_epoch=n).on(Step()) for n in (2, 3)] == [True, False]
    assert not Pull(weight=0.0).on(Step())


@pytest.mark.parametrize(("name", "value"), [("base", 0.5), ("focus", 2.0), ("normalize", False)])
def test_what_a_pull_on_every_image_leaves_aside_is_refused(name, value):
    with pytest.raises(InputError, match=rf"method\.pull\.{name} = {value} has no effect with .*filter = 'all_pass'"):
        refuse_unread(Pull(filter="all_pass", **{name: value}), Pull(filter="all_pass"), "method.pull")
    for read in ("old_correct", "neg_flip", "new_incorrect", "likelihood"):
        refuse_unread(Pull(filter=read, **{name: value}), Pull(filter="all_pass"), "method.pull")
    refuse_unread(Pull(filter="all_pass", weight=2.0, mix_alpha=0.5, start_epoch=1), Pull(), "method.pull")


def test_the_usual_pull_weighs_what_the_old_model_has_right():
    assert dataclasses.asdict(Pull()) == {
        **{"weight": 1.0, "mix_alpha": -1.0, "filter": "old_correct", "base": 1.0, "focus": 5.0},
        **{"normalize": True, "start_epoch": 0},
    }


def test_what_else_could_be_set_is_said():
    inputs, plain = InputConfig(mixup=0.8), Pull(filter="all_pass")
    with pytest.raises(InputError, match=r"to 0, or method\.old_pull\.filter to all_pass\.$"):
        accept_pull(inputs, Pull(), DistanceConfig(), name="old_")
    with pytest.raises(InputError, match=r"^method\.distance\.loss = 'new_error'.* to 0, or choose a distance without"):
        accept_pull(inputs, plain, DistanceConfig(loss="new_error"))
    accept_pull(inputs, plain, DistanceConfig())
    accept_pull(inputs, Pull(weight=0.0), DistanceConfig(loss="new_error"))
    accept_pull(InputConfig(), Pull(), DistanceConfig(loss="new_error"))


LABELS = [2, 0, 1, -1]  #: of the new model's three classes, of which the old one knows the last and the first


def towards(world, pull, distance="logit_matching"):
    """Return a pull to a teacher that knows two of the classes, in another order."""
    model = world.given().model.build()
    teacher = SimpleNamespace(classes=(model.classes[2], model.classes[0]), feature_size=4)
    return Towards(teacher, model, pull, DistanceConfig(loss=distance), seed=0)


def some(step=Step, **changes):
    """Return what the term takes: outputs of both, a batch and a step."""
    draws = torch.Generator().manual_seed(0)
    new, old = (Outputs(torch.randn(4, size, generator=draws), torch.zeros(4, 4)) for size in (3, 2))
    old.logits[:2] = torch.tensor([[9.0, 0.0], [9.0, 0.0]])  # right on the first image, wrong on the second
    return new, old, Batch(torch.zeros(4, 1), torch.tensor(LABELS), torch.arange(4), **changes), step()


def test_a_pull_compares_the_classes_that_both_know(world):
    new, old, batch, step = some()
    term = towards(world, Pull()).term(new, old, batch, step)
    gaps = (new.logits[:, [2, 0]] - old.logits).square().mean(1)
    torch.testing.assert_close(term.values, gaps)
    assert term.mask.tolist() == [True, True, False, True]  # the old model does not know the third one's class
    weights = torch.tensor([6.0, 1.0, 1.0, 1.0])
    torch.testing.assert_close(term.weights, weights / (8 / 3))  # their mean is 1 over the three that count


def test_a_pull_evens_out_its_weights_over_all_processes(world):
    class Two(Step):
        @staticmethod
        def gather(values):
            return torch.cat([values, torch.zeros_like(values)])  # a peer of which no image counts and no weight

    alone, together = (towards(world, Pull()).term(*some(step)) for step in (Step, Two))
    torch.testing.assert_close(alone.weights, together.weights)
    Two.gather = staticmethod(lambda values: torch.cat([values, torch.ones_like(values)]))
    torch.testing.assert_close(towards(world, Pull()).term(*some(Two)).weights, alone.weights * (8 / 3) / (12 / 7))


def test_mixed_images_have_no_label_and_all_of_them_count(world):
    targets = torch.full((4, 3), 1 / 3)
    pull = towards(world, Pull(filter="all_pass"), "logit_difference")
    new, old, batch, step = some(targets=targets)
    term = pull.term(new, old, batch, step)
    assert term.mask.tolist() == [True] * 4
    excess = ((new.logits[:, [2, 0]] - old.logits).abs() - 0.5).clamp_min(0)
    torch.testing.assert_close(term.values, excess.square().mean(1))  # with a label, that class would be left free
    known = pull.term(new, old, dataclasses.replace(batch, targets=None), step)
    assert not torch.equal(known.values, term.values)


def test_models_that_share_no_class_are_named(world):
    model = world.given().model.build()
    with pytest.raises(InputError, match=r"^the new model and the old model share no class name"):
        Towards(SimpleNamespace(classes=("x", "y"), feature_size=4), model, Pull(), DistanceConfig(), seed=0)
