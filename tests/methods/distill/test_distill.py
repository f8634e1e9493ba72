"""Distil: which stages there are, what each reads, and that the first two need no label."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from modelheir import losses, models
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.run import TrainConfig
from modelheir.methods import METHODS
from modelheir.methods.distill.distill import Config
from modelheir.objective.distances import DISTANCES, LOSSES

POOL = "synthetic:n=40,classes=3,size=8,seed=9"


class Step:
    """The least an objective reads of the engine."""

    epoch, number, device_generator = 0, 0, None

    @staticmethod
    def gather(values):
        return values

    @staticmethod
    def observe(name, value):
        pass


def first(world, given=None, **settings):
    """Return the first stage's task, its terms for one batch, and the batch."""
    made = world.plan("distill", given, teacher=(world.old,), **settings)[0].prepare({})
    batch = next(made.streams["train"].epoch(0))
    return made, made.objective({"train": batch}, Step()).terms, batch


def test_learns_from_the_teacher_alone_unless_labels_are_asked_for(world):
    made, found, batch = first(world)
    new, old = made.modules["model"](batch.inputs).logits, world.given().old.models[0].eval()(batch.inputs).logits
    kl = losses.kl_distillation(new, old, temperature=4.0).mean()
    torch.testing.assert_close(found, {"kl_distillation": kl})
    assert set(batch.labels.tolist()) == {-1}  # nobody sees them
    made, found, batch = first(world, label_weight=0.5)
    new = made.modules["model"](batch.inputs).logits
    assert set(found) == {"task", "kl_distillation"}
    torch.testing.assert_close(found["task"], 0.5 * torch.nn.functional.cross_entropy(new, batch.labels))


def test_a_label_weighs_like_what_the_teacher_says_of_one_image(world):
    """However few of a batch's images have one; a mean over these alone would let them decide."""
    made, found, batch = first(world, unlabelled=POOL, label_weight=0.5)
    known = batch.labels >= 0
    assert 0 < known.sum() < len(batch)
    new = made.modules["model"](batch.inputs).logits
    each = torch.nn.functional.cross_entropy(new[known], batch.labels[known], reduction="none")
    torch.testing.assert_close(found["task"], 0.5 * each.sum() / len(batch))


def test_the_first_stage_sees_the_pool_too_and_the_second_the_labelled_images_alone(world):
    stages = world.plan("distill", teacher=(world.old,), unlabelled=POOL, target__epochs=1, label_weight=1.0)
    assert [stage.name for stage in stages] == ["distill", "target"]
    known = world.given().data.splits["train"]
    mixed = stages[0].prepare({})
    assert len(mixed.streams["train"].ids) == len(known) + 40
    assert (mixed.streams["train"].labels >= 0).sum() == len(known)
    done = world.run("distill", "run", teacher=(world.old,), unlabelled=POOL, target__epochs=1, label_weight=1.0)
    second = stages[1].prepare(done)
    assert second.streams["train"].ids.tolist() == known.ids.tolist()
    begun = second.modules["model"].state_dict()
    assert all(torch.equal(value, begun[key]) for key, value in done["distill"].weights("model").items())
    assert (second.fit.epochs, second.fit.lr) == (1, pytest.approx(world.fit.lr * 0.01))
    assert mixed.fit is None


def permuted(world, seed):
    """Return what is handed with the labels of all training images permuted."""
    given = world.given()
    train = given.data.splits["train"]
    labels = np.random.default_rng(seed).permutation(train.labels)
    splits = {**given.data.splits, "train": dataclasses.replace(train, labels=labels)}
    return world.changed(given, splits=splits)


def test_permuting_all_labels_leaves_every_weight_bit_identical(world):
    """V-3: with the losses of the teacher alone, the labels of the training images do not exist."""
    settings = {"teacher": (world.old,), "unlabelled": POOL, "target__epochs": 1}
    plain = world.run("distill", "plain", **settings)
    for stage, other in world.run("distill", "other", given=permuted(world, 1), **settings).items():
        a, b = plain[stage].weights("model"), other.weights("model")
        assert all(torch.equal(a[key], b[key]) for key in a), stage
    known = {"label_weight": 1.0, **settings}
    a, b = (
        world.run("distill", name, given=given, **known)["target"].weights("model")
        for name, given in (("labels", world.given()), ("mixed", permuted(world, 1)))
    )
    assert any(not torch.equal(a[key], b[key]) for key in a)


def test_an_assistant_learns_first_and_teaches_the_student(world):
    stages = world.plan("distill", teacher=(world.old,), assistants=("convnet",))
    assert [stage.name for stage in stages] == ["assistant_1", "distill"]
    done = world.run("distill", "run", teacher=(world.old,), assistants=("convnet",))
    assert done["assistant_1"].describe["model"]["name"] == "convnet"
    assert done["distill"].describe["model"]["name"] == "mlp"
    task = stages[1].prepare(done)
    taught = task.references["teacher"].members[0].state_dict()
    assert all(torch.equal(value, taught[key]) for key, value in done["assistant_1"].weights("model").items())


def test_the_student_begins_with_given_weights(world):
    made, _, _ = first(world, start=world.old)
    old = world.given().old.models[0].state_dict()
    assert all(torch.equal(value, old[key]) for key, value in made.modules["model"].state_dict().items())
    with pytest.raises(InputError, match="leave one of them out"):
        first(world, start=world.old, assistants=("convnet",))


def test_a_copy_of_the_teacher_has_nothing_to_learn(world):
    """V-13: the student begins as the teacher, in evaluation mode alike, so loss and gradient are 0."""
    made, found, _ = first(world, start=world.old)
    assert found["kl_distillation"].item() == pytest.approx(0, abs=1e-9)
    found["kl_distillation"].backward()
    assert max(p.grad.abs().max() for p in made.modules["model"].parameters()) < 1e-7


def test_no_stage_keeps_or_publishes_the_teacher(world):
    done = world.run("distill", "run", teacher=(world.old,), unlabelled=POOL, target__epochs=1)
    for stage in done.values():
        assert stage.publish == "model"
        own = models.from_spec(stage.describe["model"])
        assert set(stage.weights("model")) == set(own.state_dict())
        with pytest.raises(InputError, match="no module 'teacher', only model"):
            stage.weights("teacher")


def test_batch_norms_of_a_teacher_follow_the_policy_and_never_move(world):
    """V-4: with ``batch`` the teacher says something else, and neither leaves a trace in it."""
    teacher = world.save_model("conv", model="convnet")
    said = {}
    for norms in ("eval", "batch"):
        stage = world.plan("distill", teacher=(teacher,), policy__batch_norm=norms)[0]
        task = stage.prepare({})
        before = models.state_hash(task.references["teacher"])
        batch = next(task.streams["train"].epoch(0))
        task.references["teacher"].train()
        said[norms] = task.references["teacher"](batch).logits
        assert models.state_hash(task.references["teacher"]) == before
    assert not torch.equal(said["eval"], said["batch"])


def test_teachers_are_averaged_by_their_weights(world):
    other = world.save_model("other", seed=6)
    settings = {"teacher": (world.old, other), "policy__weights": (1.0, 3.0), "losses": ("logit_matching",)}
    made = world.plan("distill", **settings)[0].prepare({})
    batch = next(made.streams["train"].epoch(0))
    a, b = (model.eval()(batch.inputs).logits for model in world.given(old=[world.old, other]).old.models)
    found = made.objective({"train": batch}, Step()).terms["logit_matching"]
    new = made.modules["model"](batch.inputs).logits
    torch.testing.assert_close(found, losses.logit_matching(new, 0.25 * a + 0.75 * b).mean())


def test_what_is_left_open_is_settled_by_the_run():
    settle = METHODS["distill"].settle
    run = TrainConfig()
    run = dataclasses.replace(run, fit=dataclasses.replace(run.fit, epochs=20, precision="bf16"))
    assert settle(Config(), run).target.epochs == 0
    found = settle(Config(unlabelled=POOL), run)
    assert (found.target.epochs, found.policy.precision) == (2, "bf16")
    assert settle(found, run) == found
    short = dataclasses.replace(run, fit=dataclasses.replace(run.fit, epochs=1))
    assert settle(Config(unlabelled=POOL), short).target.epochs == 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, r"^train distill needs --teacher, the model to learn from: run:DIR"),
        ({"unlabelled": POOL}, r"^train distill needs --teacher, images without labels teach nothing alone"),
        ({"teacher": ("OLD",), "losses": ("new_error",), "unlabelled": POOL}, "needs a label for each image"),
        ({"teacher": ("TWO",)}, r"the teacher does not know 1 of the 3 classes \(class2\)"),
    ],
)
def test_what_does_not_fit_is_missed_before_the_first_batch(world, settings, text):
    named = {"OLD": world.old, "TWO": world.save_model("two", classes=("class0", "class1"))}
    if "teacher" in settings:
        settings = {**settings, "teacher": tuple(named[name] for name in settings["teacher"])}
    with pytest.raises(InputError, match=text):
        world.plan("distill", **settings)[0].prepare({})


def test_losses_that_leave_the_classifier_as_it_began_are_refused(world):
    """Ten classes would be guessed at 10 %, after a whole training."""
    with pytest.raises(InputError, match=r"\['relational'\] compare what lies before the classifier"):
        world.plan("distill", teacher=(world.old,), losses=("relational",))
    with pytest.raises(InputError, match="before the classifier"):
        world.plan("distill", teacher=(world.old,), losses=("kl_distillation", "relational"), loss_weights=(0.0, 1.0))
    for trained in ({"label_weight": 1.0}, {"fix__epochs": 1}, {"start": world.old}):
        assert world.plan(
            "distill", world.given(model="convnet"), **trained, teacher=(world.old,), losses=("relational",)
        )
    assert world.plan("distill", teacher=(world.old,), losses=("relational", "kl_distillation"))


def test_mixed_images_are_one_view_for_both_networks(world):
    """Consistent teaching: a mixture without a label is taught as what the teacher says of the mixture."""
    given = world.given(inputs=InputConfig(mirror=True, mixup=1.0))
    made, found, batch = first(world, given)
    assert batch.targets is None
    new, old = made.modules["model"](batch.inputs).logits, world.given().old.models[0].eval()(batch.inputs).logits
    torch.testing.assert_close(found["kl_distillation"], losses.kl_distillation(new, old, temperature=4.0).mean())


def test_the_card_names_every_loss_of_the_shelf():

    card = (Path(__file__).parents[3] / "docs" / "methods" / "distill.md").read_text(encoding="utf-8")
    assert [name for name in LOSSES if name not in DISTANCES and f"`{name}`" not in card] == []


def test_noise_stretches_what_the_teacher_says_and_is_drawn_by_the_step(world):
    made = world.plan("distill", teacher=(world.old,), losses=("logit_matching",), noise__std=0.5, noise__share=1.0)
    task = made[0].prepare({})
    batch = next(task.streams["train"].epoch(0))
    step = Step()
    step.device_generator = torch.Generator().manual_seed(3)
    new, old = task.modules["model"](batch.inputs).logits, task.references["teacher"](batch).logits
    found = task.objective({"train": batch}, step).terms["logit_matching"]
    again = torch.Generator().manual_seed(3)
    wanted = losses.noisy_teacher(old, generator=again, std=0.5, probability=1.0)
    torch.testing.assert_close(found, losses.logit_matching(new, wanted).mean())


def test_what_a_frozen_teacher_says_keeps_no_activations(world):
    """V-5: no graph hangs on its outputs or on what its taps saw, so nothing of its pass stays in memory."""
    teacher = world.save_model("conv", model="convnet")
    settings = {"teacher": (teacher,), "losses": ("kl_distillation", "attention_transfer")}
    task = world.plan("distill", world.given(model="convnet"), **settings)[0].prepare({})
    batch = next(task.streams["train"].epoch(0))
    said = task.references["teacher"](batch)
    assert not said.logits.requires_grad
    assert not said.features.requires_grad
    terms = task.objective({"train": batch}, Step()).terms
    leaves, waiting = set(), [term.grad_fn for term in terms.values()]
    while waiting:
        node = waiting.pop()
        leaves.add(getattr(node, "variable", None))
        waiting += [inner for inner, _ in node.next_functions if inner is not None]
    assert not leaves & set(task.references["teacher"].parameters())
    assert leaves & set(task.modules["model"].parameters())
