"""Plain training: starts, frozen layers, variants of the supervised loss."""

import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.unread import refuse_unread
from modelheir.methods import METHODS
from modelheir.models import load


class Step:
    """The least an objective reads of the engine."""

    epoch, number, gather = 0, 0, None

    @staticmethod
    def observe(name, value):
        assert 0 <= value <= 1


def weights(done):
    return done["train"].weights("model")


def prepared(world, *, given=None, **settings):
    """The model as training is handed it."""
    (stage,) = world.plan("finetune", given, **settings)
    return stage.prepare({}).modules["model"]


def test_seeds_of_weights_and_data_are_apart(world):
    given = world.given()
    base = weights(world.run("finetune", "a", given=given))
    same = weights(world.run("finetune", "b", given=given))
    assert all(torch.equal(base[key], same[key]) for key in base)
    for name in ("init_seed", "seed"):
        other = weights(world.run("finetune", name, given=world.changed(given, **{name: 9})))
        assert any(not torch.equal(base[key], other[key]) for key in base)


def test_linear_only_leaves_every_other_parameter(world):
    given = world.given(model="convnet", trainable="linear")
    before = given.model.build().state_dict()
    after = weights(world.run("finetune", "x", given=given))
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved == {"head.weight", "head.bias"}


def test_start_from_a_run_and_with_a_new_head(world):
    done = world.run("finetune", "x", start=world.old, given=world.given(trainable="linear"))
    old = world.given().old.models[0].state_dict()
    assert done["train"].metrics["test/accuracy"] >= 0
    assert weights(done)["head.weight"].shape == old["head.weight"].shape
    two = world.save_model("two", classes=("yes", "no"))
    with pytest.raises(InputError):
        world.run("finetune", "y", start=two)
    assert len(weights(world.run("finetune", "z", start=two, replace_head=True))["head.bias"]) == 3


def test_a_head_to_replace_needs_a_start():
    config = METHODS["finetune"].config
    with pytest.raises(InputError, match=r"method\.replace_head = True has no effect with method\.start = ''"):
        refuse_unread(config(replace_head=True), config(), "method")
    refuse_unread(config(replace_head=True, start="run:old"), config(), "method")


@pytest.mark.parametrize(
    ("settings", "inputs"),
    [
        ({"supervised__label_smoothing": 0.1}, {}),
        ({"supervised__binary": True}, {}),
        ({}, {"mixup": 0.8}),
        ({"supervised__binary": True}, {"cutmix": 1.0}),
    ],
)
def test_variants_of_the_supervised_loss_learn(world, settings, inputs, rows):
    import dataclasses

    log = rows()
    fit = dataclasses.replace(world.fit, epochs=6)
    world.run("finetune", "x", given=world.given(inputs=InputConfig(**inputs), fit=fit), log=log, **settings)
    assert log[-1]["loss"] < log[0]["loss"]


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_label_smoothing_reaches_the_loss_as_torch_defines_it(world, smoothing):
    (stage,) = METHODS["finetune"].plan(world.config("finetune", supervised__label_smoothing=smoothing), world.given())
    made = stage.prepare({})
    batch = next(made.streams["train"].epoch(0))
    model = made.modules["model"]
    found = made.objective({"train": batch}, Step()).terms["task"]
    expected = torch.nn.functional.cross_entropy(model(batch.inputs).logits, batch.labels, label_smoothing=smoothing)
    torch.testing.assert_close(found, expected)


def test_mixed_labels_are_smoothed_too(world):
    given = world.given(inputs=InputConfig(mixup=0.8))
    (stage,) = METHODS["finetune"].plan(world.config("finetune", supervised__label_smoothing=0.3), given)
    made = stage.prepare({})
    batch = next(made.streams["train"].epoch(0))
    found = made.objective({"train": batch}, Step()).terms["task"]
    targets = 0.7 * batch.targets + 0.3 / batch.targets.shape[1]
    expected = torch.nn.functional.cross_entropy(made.modules["model"](batch.inputs).logits, targets)
    torch.testing.assert_close(found, expected)


def test_training_begins_with_the_weights_that_were_asked_for(world):
    old = world.given().old.models[0].state_dict()
    before = prepared(world, start=world.old).state_dict()
    assert all(torch.equal(old[key], value) for key, value in before.items())
    fresh = world.given().model.build().state_dict()
    assert any(not torch.equal(old[key], value) for key, value in fresh.items())
    two = world.save_model("two", classes=("yes", "no"), seed=8)
    body = {key: value for key, value in load(two).state_dict().items() if not key.startswith("head.")}
    grown = prepared(world, start=two, replace_head=True).state_dict()
    assert body
    assert all(torch.equal(grown[key], value) for key, value in body.items())


def test_frozen_layers_keep_the_weights_of_the_start(world):
    """After training too: the body is that of the run to start from, the classifier has moved."""
    start = world.save_model("start", model="convnet", seed=8)
    before = load(start).state_dict()
    given = world.given(model="convnet", trainable="linear")
    after = weights(world.run("finetune", "x", given=given, start=start))
    moved = {key for key, value in before.items() if not torch.equal(after[key], value)}
    assert moved == {"head.weight", "head.bias"}


@pytest.mark.parametrize("reinit", [False, True])
def test_the_classifier_is_drawn_anew_on_request_and_from_the_seed(world, reinit):
    old = load(world.old)
    given = world.given(trainable="linear")
    model = prepared(world, given=given, start=world.old, reinit_linear=reinit)
    assert torch.equal(model.head.weight, old.head.weight) is not reinit
    again = prepared(world, given=given, start=world.old, reinit_linear=reinit)
    assert torch.equal(model.head.weight, again.head.weight)
    bodies = (one.state_dict() for one in (model, old))
    theirs, ours = ({key: v for key, v in body.items() if not key.startswith("head.")} for body in bodies)
    assert all(torch.equal(theirs[key], value) for key, value in ours.items())
    if reinit:
        given = world.given(seed=2, trainable="linear")
        other = prepared(world, given=given, start=world.old, reinit_linear=True).head.weight
        assert not torch.equal(model.head.weight, other)


def test_learning_rate_multiplier_of_zero_keeps_a_stage(world):
    import dataclasses

    from modelheir.models import stages

    given = world.given(model="convnet")
    groups = stages(given.model.build())
    fit = dataclasses.replace(world.fit, lr_multipliers=(0.0, *[1.0] * (len(groups) - 1)), weight_decay=0.0)
    given = dataclasses.replace(given, fit=fit)
    before, after = given.model.build().state_dict(), weights(world.run("finetune", "x", given=given))
    for number, names in enumerate(groups):
        same = [torch.equal(before[name], after[name]) for name in names]
        assert all(same) if number == 0 else not all(same)
    wrong = dataclasses.replace(given, fit=dataclasses.replace(fit, lr_multipliers=(1.0,)))
    with pytest.raises(InputError, match=str(len(groups))):
        world.run("finetune", "y", given=wrong)


def test_features_are_kept_on_request(world):
    import dataclasses

    from modelheir.runs.predictions import read_predictions

    given = world.given(fit=dataclasses.replace(world.fit, save_features=True))
    folder = world.run("finetune", "x", given=given)["train"].folder
    found = read_predictions(folder / "predictions" / "test.parquet")
    width = given.model.build().feature_size
    assert found.features is not None
    assert found.features.shape == (len(found), width)
    plain = world.run("finetune", "y")["train"].folder
    assert read_predictions(plain / "predictions" / "test.parquet").features is None


def test_the_settings_file_of_swin_is_its_recipe(pytestconfig):
    from modelheir.cli.train import parse_train
    from modelheir.engine.schedules import learning_rate

    file = pytestconfig.rootpath / "configs" / "finetune" / "swin.yaml"
    _, run, method, _ = parse_train(["finetune", "--config", str(file)])
    rates = [learning_rate(run.fit, epoch * 10, 10) for epoch in (0, 20, 300)]
    assert rates == pytest.approx([1e-6, 1e-3, 1e-5])
    assert (run.model, run.fit.optimizer, run.fit.weight_decay) == ("tv:swin_t", "adamw", 0.05)
    mixing = (run.inputs.mixup, run.inputs.cutmix, run.inputs.mix_probability, run.inputs.mix_switch)
    assert mixing == (0.8, 1.0, 1.0, 0.5)
    assert method.supervised.label_smoothing == 0.1
