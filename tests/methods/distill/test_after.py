"""The stages after the large set: shorter and slower; and the classifier alone at a higher resolution."""

import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.methods.distill.after import FixConfig, TargetConfig, fix_fit, larger, target_fit


def test_the_target_set_is_trained_at_a_hundredth_of_the_rate():
    fit = FitConfig(
        epochs=360, lr=0.4, warmup_epochs=5, step_epochs=90, batch_size=64, ema_decay=0.9, milestones=(90, 200)
    )
    found = target_fit(TargetConfig(epochs=36), fit)
    assert (found.epochs, found.warmup_epochs, found.step_epochs) == (36, 0.5, 9.0)
    assert found.milestones == (9.0, 20.0)
    assert found.lr == pytest.approx(0.004)
    assert (found.batch_size, found.ema_decay) == (64, 0.9)
    assert target_fit(TargetConfig(epochs=1, rate=0.5), fit).lr == pytest.approx(0.2)


def test_the_classifier_is_one_group_of_parameters():
    found = fix_fit(FixConfig(epochs=9, rate=0.2), FitConfig(epochs=90, lr=0.1, lr_multipliers=(0.1, 1.0)))
    assert fix_fit(FixConfig(epochs=9), FitConfig(lr=0.1, layer_decay=0.5)).layer_decay == 1.0
    trained = FitConfig(lr=0.1, head_multiplier=10.0)  # a new head, which the stages before have trained
    assert fix_fit(FixConfig(epochs=9), trained).head_multiplier == 1.0
    assert target_fit(TargetConfig(epochs=9), trained).head_multiplier == 1.0
    assert (found.epochs, found.lr, found.lr_multipliers) == (9, pytest.approx(0.02), ())


def test_the_view_is_that_of_evaluation_at_the_higher_resolution(world):
    given = world.given(inputs=InputConfig(image_size=8, resize=10, mirror=True, mixup=0.3, erase=0.2), model="convnet")
    found = larger(FixConfig(epochs=1, scale=1.5), given)
    inputs = found.data.inputs
    assert (inputs.image_size, inputs.resize, inputs.augment) == (12, 15, "flip")
    assert (inputs.mixup, inputs.cutmix, inputs.erase) == (0, 0, 0)
    assert found.model.trainable == "head"
    assert next(found.data.evaluation()["val"].epoch(0)).inputs.shape[-2:] == (12, 12)
    straight = larger(FixConfig(epochs=1), world.given(inputs=InputConfig(mirror=False), model="convnet"))
    assert straight.data.inputs.augment == "none"


def test_only_the_classifier_moves(world):
    """V-10: batch norms keep their statistics, too; the model says at which size it is to be evaluated."""
    given = world.given(model="convnet")
    done = world.run("distill", "run", given=given, teacher=(world.old,), fix__epochs=2)
    before, after = (done[name].weights("model") for name in ("distill", "fix"))
    assert {key for key in before if not torch.equal(before[key], after[key])} == {"head.weight", "head.bias"}
    spec = done["fix"].describe["model"]
    assert spec["image_size"] == 11
    assert spec["inputs"] == {"image_size": 11, "resize": 11}
    assert "inputs" not in done["distill"].describe["model"]


def test_what_else_may_move_is_a_choice(world):
    given = world.given(model="convnet")
    settings = {"teacher": (world.old,), "fix__epochs": 1, "fix__trainable": "head,body.blocks.2"}
    done = world.run("distill", "run", given=given, **settings)
    before, after = (done[name].weights("model") for name in ("distill", "fix"))
    moved = {key.split(".")[1] if key.startswith("head") else ".".join(key.split(".")[:3]) for key in before}
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved
    assert any(key.startswith("body.blocks.2") for key in changed)
    assert all(key.startswith(("head", "body.blocks.2")) for key in changed)


def test_a_network_of_one_size_is_refused_before_anything_is_trained(world):
    with pytest.raises(InputError, match=r"method\.fix\.epochs = 1: mlp has other weights at 11 pixels than at 8"):
        world.plan("distill", teacher=(world.old,), fix__epochs=1)
    assert world.plan("distill", teacher=(world.old,), fix__epochs=1, fix__scale=1.0)[-1].name == "fix"
