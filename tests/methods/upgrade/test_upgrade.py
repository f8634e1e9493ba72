"""Upgrade methods: every distance and filter trains, weights mean what they say, teachers stay as they are."""

import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.run import TrainConfig
from modelheir.methods import METHODS
from modelheir.models import load
from modelheir.models.teachers.freeze import state_hash
from modelheir.runs.predictions import write_predictions
from modelheir.types import Predictions

LAST = "train"


def weights(done, stage=LAST):
    return done[stage].weights("model")


def task(world, **settings):
    given = settings.pop("given", None) or world.given()
    (stage,) = METHODS["upgrade"].plan(world.config("upgrade", **settings), given)
    return stage.prepare({})


class Step:
    """The least an objective reads of the engine."""

    epoch, number, device = 0, 0, torch.device("cpu")

    @staticmethod
    def gather(values):
        return values

    @staticmethod
    def observe(name, value):
        assert 0 <= value <= 1


def one_loss(made):
    """Evaluate a task's objective on its first batch, twice the same."""
    torch.manual_seed(0)
    batch = next(made.streams["train"].epoch(0))
    return made.objective({"train": batch}, Step()), batch


def test_weight_zero_is_plain_training_bit_for_bit(world):
    plain, off = world.run("finetune", "plain"), world.run("upgrade", "off", pull__weight=0.0)
    assert all(torch.equal(weights(plain)[key], value) for key, value in weights(off).items())


def test_one_strength_for_every_filter_and_per_image_weights(world):
    made = task(world, pull__filter="old_correct", pull__base=0.0, pull__focus=1.0, pull__normalize=False)
    loss, batch = one_loss(made)
    teacher = made.references["teacher"]
    right = (teacher(batch).logits.argmax(1) == batch.labels).float()
    assert 0 < right.mean() < 1
    assert loss.observed["effective_lambda/kl_distillation"] == pytest.approx(right.mean().item())
    # alpha = 0: images that the old model got wrong send no gradient through the distance
    from modelheir.losses import kl_distillation

    model = made.modules["model"].eval()
    with torch.no_grad():
        values = kl_distillation(model(batch.inputs).logits, teacher(batch).logits)
    expected = (right * values).mean()
    made.modules["model"].eval()
    found = made.objective({"train": batch}, Step()).terms["kl_distillation"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_doubling_alpha_and_beta_doubles_the_pull_unless_weights_are_normalised(world):
    def pull(**settings):
        made = task(world, **settings)
        made.modules["model"].eval()
        return one_loss(made)[0].terms["kl_distillation"].item()

    single = pull(pull__normalize=False, pull__base=1.0, pull__focus=5.0)
    double = pull(pull__normalize=False, pull__base=2.0, pull__focus=10.0)
    assert double == pytest.approx(2 * single, rel=1e-5)
    assert pull(pull__base=2.0, pull__focus=10.0) == pytest.approx(pull(pull__base=1.0, pull__focus=5.0), rel=1e-5)


def test_mixing_share_equals_its_sum_form(world):
    share, plain = 0.8, task(world, pull__weight=4.0)
    mixed = task(world, pull__weight=1.0, pull__mix_alpha=share)
    for made in (plain, mixed):
        made.modules["model"].eval()
    total = one_loss(mixed)[0].total
    torch.testing.assert_close(total, (1 - share) * one_loss(plain)[0].total, rtol=1e-5, atol=1e-6)


def test_teacher_is_the_same_before_and_after_training(world):
    made = task(world)
    before = state_hash(made.references["teacher"])
    from modelheir.engine.stages import run_plan
    from modelheir.plans import Stage
    from modelheir.runs.folder import RunFolder

    class Silent:
        def __getattr__(self, name):
            return lambda *a, **k: None

    run_plan(
        [Stage("train", lambda done: made)],
        RunFolder(world.tmp_path / "x"),
        runtime=world.runtime,
        fit_config=world.fit,
        seed=0,
        log=Silent(),
        progress=Silent(),
    )
    assert state_hash(made.references["teacher"]) == before
    assert all(p.grad is None for p in made.references["teacher"].parameters())


def test_live_and_stored_teachers_agree_where_the_view_is_fixed(world):
    inputs = InputConfig(augment="none")
    given = world.given(inputs=inputs)
    live = world.run("upgrade", "live", given=given)
    stream = given.data.stream("train", train=False)
    stored = given.old.predict(given.old.models[0], stream)
    write_predictions(world.tmp_path / "old.parquet", stored)
    given = world.run("upgrade", "stored", given=world.given(inputs=inputs, old=[str(world.tmp_path / "old.parquet")]))
    for key, value in weights(live).items():
        torch.testing.assert_close(weights(given)[key], value, rtol=1e-4, atol=1e-5)


def test_stored_outputs_that_miss_images_are_named(world):
    given = world.given(inputs=InputConfig(augment="none"))
    stored = given.old.predict(given.old.models[0], given.data.stream("train", train=False))
    half = Predictions(
        sample_id=stored.sample_id[5:],
        label=stored.label[5:],
        prediction=stored.prediction[5:],
        logits=stored.logits[5:],
        classes=stored.classes,
    )
    write_predictions(world.tmp_path / "half.parquet", half)
    with pytest.raises(InputError, match=str(stored.sample_id[0])):
        world.run("upgrade", "x", given=world.changed(given, old=(str(world.tmp_path / "half.parquet"),)))


def test_several_teachers_of_other_architectures_and_weights(world):
    second = world.save_model("second", seed=9, model="convnet")
    given = world.given(old=[world.old, second], weights=(2.0, 1.0))
    stream = given.data.stream()
    batch = next(stream.epoch(0))
    a, b = (model.eval()(batch.inputs).logits for model in given.old.models)
    torch.testing.assert_close(given.old.teacher(stream)(batch).logits, (2 * a + b) / 3, rtol=1e-4, atol=1e-5)
    world.run("upgrade", "two", given=given)


def test_stored_outputs_are_weighted_as_their_models_are(world):
    second = world.save_model("second", seed=9, model="convnet")
    given = world.given(old=[world.old, second], inputs=InputConfig(augment="none"))
    stream, files = given.data.stream("train", train=False), []
    for number, model in enumerate(given.old.models):
        files.append(str(world.tmp_path / f"old{number}.parquet"))
        write_predictions(files[-1], given.old.predict(model, stream))
    batch = next(stream.epoch(0))
    a, b = (model.eval()(batch.inputs).logits for model in given.old.models)
    for weights_, expected in (((2.0, 1.0), (2 * a + b) / 3), ((0.0, 1.0), b), ((), (a + b) / 2)):
        stored = world.changed(given, old=tuple(files), weights=weights_)
        torch.testing.assert_close(stored.old.teacher(stream)(batch).logits, expected, rtol=1e-4, atol=1e-5)


def test_weights_of_old_models_reach_training(world):
    """From the command's setting on: a teacher of weight 0 teaches nothing, another share teaches something else."""
    import modelheir

    given = {"data": "synthetic:n=96,classes=3,size=8", "model": "mlp", "epochs": 1, "allow_weak_teacher": True}

    def train(name, **own):
        folder = modelheir.train("upgrade", out=str(world.tmp_path / name), quiet=True, **given, **own)
        return load(f"run:{folder}").state_dict()

    old = [world.old, world.save_model("second", seed=9)]
    alone = train("alone", old=old[1:])
    last, both = (train(f"weights{w}", old=old, old_weights=w) for w in ([0, 1], [3, 1]))
    for key, value in alone.items():
        torch.testing.assert_close(last[key], value)
    assert any(not torch.allclose(both[key], value) for key, value in alone.items())


def test_classes_that_the_old_model_lacks_are_learned_from_labels_alone(world):
    names = world.given().data.classes
    old = world.save_model("fewer", classes=(names[2], names[0]))
    made = task(world, given=world.given(old=[old]))
    loss, batch = one_loss(made)
    assert made.references["teacher"](batch).logits.shape[1] == 2
    assert torch.isfinite(loss.total)
    world.run("upgrade", "grown", given=world.given(old=[old]))


def test_normalised_weights_have_mean_one_where_classes_are_new(world):
    names = world.given().data.classes
    old = world.save_model("fewer", classes=(names[2], names[0]))
    loss, batch = one_loss(task(world, given=world.given(old=[old]), pull__weight=1.5))
    assert (batch.labels == 1).any()
    assert loss.observed["effective_lambda/kl_distillation"].item() == pytest.approx(1.5)


@pytest.mark.parametrize("scheme", ["muscle", "double_source"])
def test_two_teacher_schemes_train_a_plain_model_first(world, scheme):
    done = world.run("upgrade", scheme, scheme=scheme)
    assert list(done) == ["plain", "train"]


@pytest.mark.parametrize("scheme", ["muscle", "double_source"])
@pytest.mark.parametrize("off", [{"pull__start_epoch": 2}, {"pull__weight": 0.0}])
def test_two_teacher_schemes_train_plainly_until_the_pull_begins(world, scheme, off):
    plain = world.run("finetune", "plain")
    done = world.run("upgrade", scheme, scheme=scheme, pull__mix_alpha=0.8, **off)  # two epochs
    assert all(torch.equal(weights(plain)[key], value) for key, value in weights(done).items())


@pytest.mark.parametrize("scheme", ["muscle", "double_source"])
def test_two_teacher_schemes_read_the_settings_of_kl(world, scheme):
    done = world.run("upgrade", "run", scheme=scheme)

    def term(square):
        kl = {"distance__kl_distillation__temperature": 4.0, "distance__kl_distillation__scale_by_square": square}
        made = METHODS["upgrade"].plan(world.config("upgrade", scheme=scheme, **kl), world.given())[-1].prepare(done)
        made.modules["model"].eval()
        return one_loss(made)[0].terms[scheme].item()

    assert term(True) == pytest.approx(16 * term(False), rel=1e-5)


@pytest.mark.parametrize(
    ("scheme", "setting", "value"),
    [
        ("muscle", "pull__filter", "all_pass"),
        ("muscle", "pull__normalize", False),
        ("muscle", "pull__base", 2.0),
        ("muscle", "pull__focus", 2.0),
        ("muscle", "new_class_bias", 1.0),
        ("double_source", "pull__filter", "all_pass"),
        ("double_source", "distance__loss", "logit_matching"),
        ("double_source", "distance__logit_difference__margin", 0.0),
        ("distance", "new_class_bias", 1.0),
    ],
)
def test_settings_that_a_scheme_does_not_read_are_refused(world, scheme, setting, value):
    key = "method." + setting.replace("__", ".")
    with pytest.raises(InputError, match=f"^{key} = {value!r} has no effect .*method.scheme = {scheme!r}"):
        world.plan("upgrade", scheme=scheme, **{setting: value})


def test_double_source_reads_its_own_settings(world):
    world.run("upgrade", "run", scheme="double_source", pull__base=2.0, pull__focus=3.0, new_class_bias=1.0)


def test_likelihoods_come_from_a_file(world):
    import pyarrow as pa
    import pyarrow.parquet as pq

    given = world.given()
    ids = given.data.splits["train"].ids
    path = world.tmp_path / "likelihood.parquet"
    pq.write_table(
        pa.table({"sample_id": ids[::-1].tolist(), "likelihood": np.arange(len(ids))[::-1] / len(ids)}), path
    )
    settings = {"pull__filter": "likelihood", "likelihoods": str(path), "pull__normalize": False}
    made = task(world, **settings, pull__base=1.0, pull__focus=2.0)
    loss, batch = one_loss(made)
    expected = 1 + 2 * (batch.index.float() / len(ids)).mean()
    assert loss.observed["effective_lambda/kl_distillation"] == pytest.approx(float(expected), rel=1e-5)
    world.run("upgrade", "weighted", supervised__likelihood_scale=1.0, **settings)
    with pytest.raises(InputError, match=r"--method[.]likelihoods FILE"):
        METHODS["upgrade"].accept(world.config("upgrade", pull__filter="likelihood"), TrainConfig())


@pytest.mark.parametrize("scheme", ["muscle", "double_source"])
def test_the_plain_model_of_a_two_teacher_scheme_is_weighted_by_likelihoods_too(world, scheme):
    import pyarrow as pa
    import pyarrow.parquet as pq

    given, path = world.given(), str(world.tmp_path / "likelihood.parquet")
    ids = given.data.splits["train"].ids
    pq.write_table(pa.table({"sample_id": ids.tolist(), "likelihood": np.arange(len(ids)) / len(ids)}), path)
    settings = {"scheme": scheme, "likelihoods": path, "supervised__likelihood_scale": 4.0}
    stage = METHODS["upgrade"].plan(world.config("upgrade", **settings), given)[0].prepare({})
    loss, batch = one_loss(stage)
    each = torch.nn.functional.cross_entropy(
        stage.modules["model"](batch.inputs).logits, batch.labels, reduction="none"
    )
    shares = 1 / (4 * batch.index.float() / len(ids) + 1)
    torch.testing.assert_close(loss.terms["task"], (each * shares / shares.mean()).mean())


def test_starting_from_the_old_weights(world):
    made = task(world, start_from_old=True)
    old = world.given().old.models[0].state_dict()
    assert all(torch.equal(old[key], value) for key, value in made.modules["model"].state_dict().items())
    with pytest.raises(InputError, match="exactly one --old"):
        task(world, start_from_old=True, given=world.given(old=[world.old, world.old]))


class Untrained:
    """The result of a stage that trained nothing: a model with weights of its own."""

    def __init__(self, given):
        self.model = given.member(3).model.build().eval()

    def weights(self, name):
        return self.model.state_dict()


def two_teachers(world, scheme, *, classes=None, **settings):
    """Return the terms of the first batch, with the logits of the new, the old and the plain model, and the labels."""
    old = world.old if classes is None else world.save_model("fewer", classes=classes)
    given = world.given(old=[old])
    plain = Untrained(given)
    config = world.config("upgrade", scheme=scheme, **settings)
    made = METHODS["upgrade"].plan(config, given)[-1].prepare({"plain": plain})
    assert set(made.references) == {"teacher", "independent", "classes"}
    found, batch = one_loss(made)
    with torch.no_grad():
        logits = [model(batch.inputs).logits for model in (made.modules["model"], load(old).eval(), plain.model)]
    return found.terms, *logits, batch.labels


def kl(new, old, temperature):
    """The textbook sum, image by image, with the factor of Hinton et al."""
    p, q = ((logits.double() / temperature).softmax(1) for logits in (old, new))
    return temperature**2 * (p * (p / q).log()).sum(1)


@pytest.mark.parametrize("share", [None, 0.75])
def test_muscle_learns_from_the_old_model_where_it_errs_and_else_from_the_plain_one(world, share):
    settings = {"pull__weight": 3.0} if share is None else {"pull__weight": 3.0, "pull__mix_alpha": share}
    found, new, old, plain, labels = two_teachers(
        world, "muscle", distance__kl_distillation__temperature=2.0, **settings
    )
    wrong = new.argmax(1) != labels
    assert 0 < wrong.sum() < len(wrong)
    expected = torch.where(wrong, kl(new, old, 2.0), kl(new, plain, 2.0)).mean()
    kept, taken = (1.0, 1.0) if share is None else (1 - share, share)
    torch.testing.assert_close(found["muscle"].detach().double(), taken * 3 * expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["task"].detach(), kept * torch.nn.functional.cross_entropy(new, labels))


@pytest.mark.parametrize(("settings", "base", "focus"), [({}, 1, 5), ({"pull__base": 2.0, "pull__focus": 3.0}, 2, 3)])
@pytest.mark.parametrize("bias", [0.0, 1.5])
def test_double_source_learns_from_each_teacher_what_it_knows(world, settings, base, focus, bias):
    """Images count ``base``, and ``focus`` more where a teacher is right; in training new classes get a bias."""
    names = world.given().data.classes
    given = {"new_class_bias": bias} if bias else {}
    found, new, old, plain, labels = two_teachers(
        world,
        "double_source",
        classes=(names[2], names[0]),
        distance__kl_distillation__temperature=2.0,
        **settings,
        **given,
    )
    known, own = labels != 1, torch.tensor([2, 0])
    right = known & (own[old.argmax(1)] == labels)
    from_old = known * (base + focus * right) * kl(new[:, own], old, 2.0)
    from_plain = (base + focus * (plain.argmax(1) == labels)) * kl(new, plain, 2.0)
    expected = (from_old + from_plain).mean()
    torch.testing.assert_close(found["double_source"].detach().double(), expected, rtol=1e-4, atol=1e-6)
    raised = new + bias * torch.tensor([0.0, 1.0, 0.0])
    torch.testing.assert_close(found["task"].detach(), torch.nn.functional.cross_entropy(raised, labels))


def test_muscle_needs_the_same_classes_in_both_models(world):
    with pytest.raises(InputError, match="needs the same classes in the old and the new model"):
        two_teachers(world, "muscle", classes=world.given().data.classes[:2])


@pytest.mark.parametrize("scheme", ["muscle", "double_source"])
def test_the_plain_model_is_trained_from_seeds_of_its_own(world, scheme):
    given = world.given()
    model = world.plan("upgrade", given, scheme=scheme)[0].prepare({}).modules["model"]
    fresh = given.member(1).model.build().state_dict()
    assert all(torch.equal(fresh[key], value) for key, value in model.state_dict().items())


def test_mixed_images_are_refused_where_a_setting_needs_labels(world):
    given = world.given(inputs=InputConfig(mixup=0.5))
    for scheme in ("muscle", "double_source"):
        with pytest.raises(InputError, match=f"^method.scheme = '{scheme}' needs unmixed images"):
            world.plan("upgrade", given, scheme=scheme)
    with pytest.raises(InputError, match=r"^method\.pull\.filter = 'old_correct' needs unmixed images"):
        world.plan("upgrade", given)
    assert len(world.plan("upgrade", given, pull__filter="all_pass")) == 1


def test_likelihoods_reach_the_stream_in_single_precision_and_none_does_without_a_file(world, tmp_path):
    ids = world.given().data.splits["train"].ids
    (tmp_path / "own.csv").write_text("sample_id,likelihood\n" + "".join(f"{name},0.1\n" for name in ids))
    extra = [
        next(task(world, **settings).streams["train"].epoch(0)).extra
        for settings in ({}, {"likelihoods": str(tmp_path / "own.csv"), "pull__filter": "likelihood"})
    ]
    assert extra[0] == {}
    torch.testing.assert_close(extra[1]["likelihood"], torch.full((16,), 0.1, dtype=torch.float32))
