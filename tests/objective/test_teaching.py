"""Several losses to one teacher: their weights, their logs, the classes and images that count, and the taps."""

import dataclasses
import types

import pytest
import torch
from torch.nn import functional

from modelheir import losses, models
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.network import NetworkConfig
from modelheir.objective.distances import LossesConfig
from modelheir.objective.distances.update_settings import KLDistillation
from modelheir.objective.teaching import Teaching, accept_losses
from modelheir.types import Batch


class Step:
    """The least that losses read of the engine."""

    gather, device_generator = None, None

    def __init__(self):
        self.seen = {}

    def observe(self, name, value):
        self.seen[name] = value


def built(name="convnet", classes=("a", "b", "c"), seed=0):
    return models.build(name, classes=classes, image_size=8, config=NetworkConfig(), seed=seed)


def teaching(config, *, teacher=None, student=None):
    teacher = models.Ensemble([built(seed=1)]) if teacher is None else teacher
    return Teaching(teacher, built() if student is None else student, config, image_size=8, seed=0)


def batch(n=6, labels=None):
    images = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 1, 2, 0, 1, -1])[:n] if labels is None else torch.tensor(labels)
    return Batch(images, labels, torch.arange(n))


def terms(made, given):
    step = Step()
    old = made.target(given)
    new = made.student_outputs(given)
    return made.terms(new, old, given, step), new[0], old[0], step


def test_every_loss_counts_with_its_weight_and_is_logged_alone_too():
    """A single entry keeps its weight, and of several none is left out."""
    config = LossesConfig(losses=("kl_distillation", "logit_matching"), loss_weights=(0.3, 5.0))
    found, new, old, step = terms(teaching(config), batch())
    kl = losses.kl_distillation(new.logits, old.logits, temperature=4.0).mean()
    matching = losses.logit_matching(new.logits, old.logits).mean()
    torch.testing.assert_close(found, {"kl_distillation": 0.3 * kl, "logit_matching": 5.0 * matching})
    assert list(step.seen) == ["train/agreement"]
    agree = (new.logits.argmax(1) == old.logits.argmax(1)).float().mean()
    torch.testing.assert_close(step.seen["train/agreement"], agree)
    single = LossesConfig(losses=("logit_matching",), loss_weights=(5.0,))
    alone, new, old, _ = terms(teaching(single), batch())
    torch.testing.assert_close(alone["logit_matching"], 5.0 * losses.logit_matching(new.logits, old.logits).mean())


def test_settings_reach_the_loss_and_nothing_flows_into_the_teacher():
    config = LossesConfig(kl_distillation=KLDistillation(temperature=2.0))
    made = teaching(config)
    found, new, old, _ = terms(made, batch())
    wanted = losses.kl_distillation(new.logits, old.logits, temperature=2.0).mean()
    torch.testing.assert_close(found["kl_distillation"], wanted)
    before = models.state_hash(made.teacher)
    found["kl_distillation"].backward()
    assert all(p.grad is None for p in made.teacher.parameters())
    assert all(p.grad is not None for p in made.student.parameters())
    assert models.state_hash(made.teacher) == before


def test_classes_that_the_teacher_does_not_know_are_left_out():
    teacher = models.Ensemble([built(classes=("c", "a"), seed=1)])
    made = teaching(LossesConfig(losses=("logit_matching",)), teacher=teacher)
    given = batch()
    found, new, old, _ = terms(made, given)
    values = losses.logit_matching(new.logits[:, [0, 2]], old.logits[:, [1, 0]])
    counts = torch.tensor([True, False, True, True, False, True])  # not those of class b; the unlabelled one does
    torch.testing.assert_close(found["logit_matching"], values[counts].mean())
    with pytest.raises(
        InputError, match=r"the teacher does not know 1 of the 3 classes \(b\), and labels are not read"
    ):
        made.need_every_class()
    teaching(LossesConfig()).need_every_class()


@pytest.mark.parametrize(
    ("config", "labelled", "text"),
    [
        (LossesConfig(losses=()), True, "method.losses is empty"),
        (LossesConfig(losses=("renyi", "renyi")), True, "method.losses names renyi more than once"),
        (LossesConfig(loss_weights=(1.0, 2.0)), True, "method.loss_weights has 2 values for 1 losses"),
        (LossesConfig(loss_weights=(0.0,)), True, "method.loss_weights are all 0"),
        (LossesConfig(losses=("new_error",)), False, "method.losses = 'new_error' needs a label for each image"),
    ],
)
def test_losses_that_do_not_fit_are_missed_in_words(config, labelled, text):
    with pytest.raises(InputError, match=text):
        accept_losses(config, InputConfig(), labelled=labelled)


def test_mixed_images_are_refused_by_a_loss_that_needs_labels():
    with pytest.raises(InputError, match=r"method\.losses = 'new_error' needs unmixed images"):
        accept_losses(LossesConfig(losses=("new_error",)), InputConfig(mixup=0.5), labelled=True)
    accept_losses(LossesConfig(), InputConfig(mixup=0.5), labelled=False)


def test_features_of_stored_outputs_are_missed_in_words():
    stored = models.StoredOutputs(batch().index.numpy().astype(str), torch.zeros(6, 3), classes=("a", "b", "c"))
    with pytest.raises(InputError, match="'feature_alignment' compares features, and the teacher's stored outputs"):
        teaching(LossesConfig(losses=("feature_alignment",)), teacher=stored)


def test_maps_come_from_both_networks_by_their_taps(monkeypatch):
    """A loss of maps is stood in for, so that this test is about the taps alone."""
    from modelheir.objective import teaching as file
    from modelheir.objective.distances import LOSSES, Row

    seen = {}

    def make(name, config, new, old, *, seed, setting):
        assert setting == "method.losses"
        seen["shapes"] = new, old
        return (lambda new, old, labels, step: (new - old).square().flatten(1).mean(1)), None

    monkeypatch.setitem(LOSSES, "maps", Row(None, "maps"))
    monkeypatch.setattr(file, "make_loss", make)
    config = types.SimpleNamespace(losses=("maps",), loss_weights=(), taps=(), reads=lambda *kinds: "maps" in kinds)
    student, teacher = built(), built(seed=1)
    made = teaching(config, teacher=models.Ensemble([teacher]), student=student)
    assert made.pairs == [(f"body.blocks.{n}",) * 2 for n in range(3)]
    assert seen["shapes"] == ((128, 2, 2), (128, 2, 2))
    given = batch()
    found, _, _, _ = terms(made, given)

    def maps(model):
        kept = []
        handle = model.body.blocks[2].register_forward_hook(lambda *call: kept.append(call[2]))
        model(given.inputs)
        handle.remove()
        return kept[0]

    wanted = functional.mse_loss(maps(student), maps(teacher))
    torch.testing.assert_close(found["maps"], wanted)
    found["maps"].backward()
    assert student.body.blocks[0][0].weight.grad is not None
    asked = dataclasses.replace(LossesConfig(), taps=("body.blocks[0]=body.blocks[0]", "body.blocks.1"))
    config.taps = asked.taps
    assert teaching(config).pairs == [("body.blocks.0", "body.blocks.0"), ("body.blocks.1", "body.blocks.1")]
    config.taps = ("body.block.1",)
    with pytest.raises(InputError, match=r"body\.blocks"):
        teaching(config)
    config.taps = ()
    with pytest.raises(InputError, match="several teachers have only logits and features"):
        teaching(config, teacher=models.Ensemble([built(), built(seed=1)]))
