"""Weight interpolation: the ends are the two models, the selection split chooses, the reporting split does not."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import modelheir
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods import METHODS
from modelheir.models import build, load
from modelheir.models.blends.interpolation import interpolate_models
from modelheir.runs.tensors import load_weights

WORKER = """
import json, sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, sys.argv[1])
from conftest import World
from modelheir.methods import METHODS
from modelheir.models import build
from modelheir.runs.tensors import save_weights

world = World(Path(sys.argv[2], "unused"))
rank, count = world.runtime.rank, world.runtime.world
out = Path(sys.argv[2], f"{rank}_of_{count}")
world.tmp_path = out / "files"
old = world.save_model("old", model="convnet")
given = world.given(old=[old], model="convnet")
new = build("convnet", classes=given.data.classes, image_size=8, seed=6).state_dict()
config = world.config("interpolate", kind="fisher", alphas=(0.0, 0.5), tolerance=1.0)
stage = METHODS["interpolate"].plan(config, given)[-1]
task = stage.prepare({"new_0": SimpleNamespace(weights=lambda name: new)})
save_weights(out / "blend.safetensors", task.modules["model"].state_dict())
(out / "told.json").write_text(json.dumps({key: task.describe[key] for key in ("alpha", "scores")}))
"""


def test_blend_lies_between_old_and_new(world):
    done = world.run("interpolate", "x", alphas=(0.0, 0.5), recalibrate=False)
    assert list(done) == ["new_0", "blend"]
    alpha = done["blend"].describe["alpha"]
    old = world.given().old.models[0].state_dict()
    new, blend = done["new_0"].weights("model"), done["blend"].weights("model")
    for key, value in blend.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, alpha * old[key] + (1 - alpha) * new[key], atol=1e-6, rtol=1e-5)


def test_choice_never_reads_the_reporting_split(world):
    done = world.run("interpolate", "x", alphas=(0.0, 0.3, 0.7))
    chosen = done["blend"].describe["alpha"]
    given = world.given()
    test = given.data.splits["test"]
    spoiled = dataclasses.replace(test, labels=(test.labels + 1) % 3)
    given = world.changed(given, splits={**given.data.splits, "test": spoiled})
    plan = METHODS["interpolate"].plan(world.config("interpolate", alphas=(0.0, 0.3, 0.7)), given)
    assert plan[-1].prepare(done).describe["alpha"] == chosen


@pytest.mark.parametrize("settings", [{"kind": "fisher"}, {"new_models": 2}])
def test_kinds(world, settings):
    done = world.run("interpolate", "x", alphas=(0.0, 0.5, 1.0), **settings)
    assert len(done["blend"].describe["scores"]) == 3


def fisher_of(model, images):
    """Return mean squared gradients of the log probability of a model's own answers by a loop, scaled to mean 1."""
    found = [torch.zeros_like(p) for p in model.parameters()]
    for image in images:
        said = model.eval()(image[None]).logits.softmax(dim=1).max().log()
        for total, slope in zip(found, torch.autograd.grad(said, list(model.parameters())), strict=True):
            total += slope.square()
    mean = torch.cat([total.flatten() for total in found]).mean()
    return {name: total / mean for (name, _), total in zip(model.named_parameters(), found, strict=True)}


def test_a_fisher_blend_is_the_mean_that_information_weighs(tmp_path):
    """(f1 w1 + f2 w2) / (f1 + f2), element by element: f1 is alpha times the old model's information, f2 1 - alpha."""
    inputs = InputConfig(train_fraction=0.3)
    usual = {"data": "digits", "device": "cpu", "quiet": True, "inputs": vars(inputs), "fit.batch_size": 64}
    old = modelheir.train("finetune", model="mlp", out=str(tmp_path / "old"), epochs=2, **usual)
    usual |= {"old": f"run:{old}", "seed": 1, "fit.optimizer": "sgd", "fit.lr": 0.05}  # forgets a little
    kinds = {}
    for kind in ("plain", "fisher"):
        method = {"kind": kind, "alphas": [0.3], "tolerance": 1.0}
        folder = modelheir.train("interpolate", out=str(tmp_path / kind), epochs=1, method=method, **usual)
        assert json.loads((folder / "result.json").read_text())["alpha"]["value"] == 0.3
        kinds[kind] = load(f"run:{folder}#new_0").state_dict(), load(f"run:{folder}").state_dict()
    before = load(f"run:{old}")
    pixels = open_splits("digits", inputs)["train"].array
    information = fisher_of(before, torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    for kind, (new, blend) in kinds.items():
        for name, start in before.state_dict().items():
            f1 = 0.3 * (information[name] if kind == "fisher" else 1.0)
            torch.testing.assert_close(blend[name], (f1 * start + 0.7 * new[name]) / (f1 + 0.7), rtol=1e-3, atol=1e-5)
    (new, plain), (same, weighed) = kinds["plain"], kinds["fisher"]
    assert all(torch.equal(new[name], same[name]) for name in new)
    assert all(not torch.allclose(plain[name], weighed[name], rtol=1e-3, atol=1e-4) for name in new)


def test_old_batch_norm_nets_are_recalibrated(world):
    old = world.save_model("conv", model="convnet")
    done = world.run(
        "interpolate", "x", given=world.given(old=[old], model="convnet"), alphas=(0.0, 0.5), tolerance=1.0
    )
    assert done["blend"].metrics["test/accuracy"] >= 0


def test_takes_exactly_one_old_model(world):
    with pytest.raises(InputError, match="exactly one --old, got 0"):
        world.run("interpolate", "x", given=world.given(old=[]))


@pytest.mark.parametrize(("name", "settings"), [("interpolate", {}), ("upgrade", {"start_from_old": True})])
def test_another_network_than_the_old_one_is_refused(world, name, settings):
    with pytest.raises(InputError, match=r"--model convnet is asked for.*of a mlp"):
        world.run(name, "x", given=world.given(model="convnet"), **settings)


def name_of(model, images):
    """Return the class names that a model predicts, by a loop over its logits."""
    with torch.no_grad():
        return [model.classes[int(row.argmax())] for row in model.eval()(images).logits]


def test_flips_are_counted_by_class_name(world):
    ours = world.given().data.classes
    old = world.save_model("reordered", classes=(ours[2], "gone", ours[0]), seed=2)
    given = world.given(old=[old])
    after = build("mlp", classes=ours, image_size=8, seed=5)
    done = {"new_0": SimpleNamespace(weights=lambda name: after.state_dict())}
    plan = METHODS["interpolate"].plan(world.config("interpolate", alphas=(0.0, 0.5)), given)
    told = plan[-1].prepare(done).describe["scores"][0]
    (before,), stream = given.old.models, given.data.stream("val", train=False)
    images, labels = torch.cat([batch.inputs for batch in stream.epoch(0)]), [ours[n] for n in stream.labels]
    said = list(zip(name_of(before, images), name_of(after, images), labels, strict=True))
    flips = sum(a == label != b for a, b, label in said)
    assert 0 < flips < sum(b != label for _, b, label in said)
    assert told["nfr"] == pytest.approx(flips / len(labels))


@pytest.mark.parametrize("label", range(3))
def test_an_old_model_is_never_right_by_a_class_that_the_data_lacks(world, label):
    ours = world.given().data.classes
    given = world.given(old=[world.save_model("gone", classes=("gone", ours[0]), seed=2)])
    after = build("mlp", classes=ours, image_size=8, seed=5)
    images = torch.cat([batch.inputs for batch in given.data.stream("val", train=False).epoch(0)])
    said = zip(name_of(given.old.models[0], images), name_of(after, images), strict=True)
    rows = np.array([row for row, (a, b) in enumerate(said) if a == "gone" and b != ours[label]])
    assert len(rows)
    val = given.data.splits["val"].subset(rows)
    val = dataclasses.replace(val, labels=np.full(len(rows), label))
    given = world.changed(given, splits={**given.data.splits, "val": val})
    done = {"new_0": SimpleNamespace(weights=lambda name: after.state_dict())}
    score = world.plan("interpolate", given, alphas=(0.0,))[-1].prepare(done).describe["scores"][0]
    assert (score["accuracy"], score["nfr"]) == (0.0, 0.0)


def test_a_file_without_names_keeps_its_head(world, tmp_path):
    given = world.given(model="convnet")
    old = build("convnet", classes=[str(number) for number in range(3)], image_size=8, seed=4)
    torch.save({"state_dict": old.state_dict()}, tmp_path / "old.pth")
    given = world.changed(given, old=(f"file:{tmp_path / 'old.pth'}:convnet",))
    images = next(given.data.stream("val", train=False).epoch(0)).inputs
    plan = METHODS["interpolate"].plan(world.config("interpolate"), given)
    start = plan[0].prepare({}).modules["model"]
    assert torch.equal(start.eval()(images).logits, old.eval()(images).logits)
    done = world.run("interpolate", "x", given=given, alphas=(0.0, 1.0), tolerance=1.0)
    assert done["blend"].describe["scores"][1]["nfr"] == 0
    (matched,) = given.old.models
    blend = interpolate_models(matched, start, 1.0)
    assert torch.equal(blend.eval()(images).logits, old(images).logits)


def test_an_old_model_of_other_classes_is_refused_before_training(world):
    old = world.save_model("others", classes=("x", "y"))
    with pytest.raises(InputError, match=r"share no class name: the data has .*, --old .*others has x, y;"):
        METHODS["interpolate"].plan(world.config("interpolate"), world.given(old=[old]))


@pytest.mark.distributed
def test_two_processes_blend_what_one_blends(tmp_path, copies):
    for world in (1, 2):
        done = copies.program(WORKER, Path(__file__).parents[2], tmp_path, world=world)
        assert done.returncode == 0, done.stderr
    one, *two = (tmp_path / name for name in ("0_of_1", "0_of_2", "1_of_2"))
    expected = load_weights(one / "blend.safetensors")
    for folder in two:
        assert json.loads((folder / "told.json").read_text()) == json.loads((one / "told.json").read_text())
        torch.testing.assert_close(load_weights(folder / "blend.safetensors"), expected, rtol=1e-5, atol=1e-6)


def test_statistics_are_taken_over_mixed_batches_of_sorted_data(world, monkeypatch):
    """Folders come sorted by class, and a batch of one class has less variance than the data."""
    seen = []
    monkeypatch.setattr(
        "modelheir.models.blends.recalibrate",
        lambda model, batches: seen.extend(b.labels for b in batches),
    )
    given = world.given()
    train = given.data.splits["train"]
    ordered = train.subset(np.argsort(train.labels, kind="stable"))
    done = world.run("interpolate", "x", given=world.changed(given, splits={**given.data.splits, "train": ordered}))
    assert seen
    assert all(len(labels.unique()) == 3 for labels in seen if len(labels) == 16)
    counts = torch.cat(seen)[: len(train)].bincount().numpy()
    assert (abs(counts - np.bincount(train.labels)) <= 2).all()  # each image about once
    assert done["blend"].describe["scores"][0]["alpha"] == 0


def test_the_new_model_itself_is_always_tried(world):
    done = world.run("interpolate", "x", alphas=(0.5,))
    assert [score["alpha"] for score in done["blend"].describe["scores"]] == [0.0, 0.5]


def test_the_chosen_blend_is_told_with_what_it_gains(world):
    done = world.run("interpolate", "x", alphas=(0.0, 1.0), tolerance=1.0)
    row = done["blend"].describe["rows"]["alpha"]
    assert row["value"] == 1.0  # the old model itself makes no new mistake
    new, old = done["blend"].describe["scores"]
    assert row["note"] == (
        f"alpha = 1 of the old weights: accuracy {old['accuracy']:.2%} and NFR 0.00% on the selection split; "
        f"the new model itself (alpha = 0): {new['accuracy']:.2%} and {new['nfr']:.2%}"
    )


def blended(world, *, old_right=None, **settings):
    """Prepare the last stage with an untrained new model; return the task, and the two models.

    The selection split holds what they disagree on; the old model is right on the first ``old_right`` images or on all.
    """
    given = world.given()
    (old,) = given.old.models
    new = build("mlp", classes=given.data.classes, image_size=8, seed=6)
    images = torch.cat([batch.inputs for batch in given.data.stream("val", train=False).epoch(0)])
    ours, theirs = (model.eval()(images).logits.argmax(1).numpy() for model in (new, old))
    differ = np.flatnonzero(ours != theirs)
    first = len(differ) if old_right is None else old_right
    val = given.data.splits["val"].subset(differ)
    val = dataclasses.replace(val, labels=np.where(np.arange(len(differ)) < first, theirs[differ], ours[differ]))
    given = world.changed(given, splits={**given.data.splits, "val": val})
    done = {"new_0": SimpleNamespace(weights=lambda name: new.state_dict())}
    return world.plan("interpolate", given, **settings)[-1].prepare(done), old.state_dict(), new.state_dict()


def test_fisher_weighs_each_weight_by_the_squared_gradient_of_what_the_old_model_says(world):
    """Schumann et al.: image by image, labels are the model's own answers; scaled to mean 1."""
    made, old, new = blended(world, kind="fisher", alphas=(0.75,), recalibrate=False)
    assert made.describe["alpha"] == 0.75
    model = build("mlp", classes=world.given().data.classes, image_size=8)
    model.load_state_dict(old)
    sums = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    train = world.given().data.splits["train"]
    for row in range(len(train)):
        image = torch.from_numpy(train.image(row)).permute(2, 0, 1)[None] / 255
        logits = model.eval()(image).logits[0]
        model.zero_grad()
        (-logits.log_softmax(0)[logits.argmax()]).backward()
        for name, value in model.named_parameters():
            sums[name] += value.grad**2
    mean = torch.cat([value.flatten() for value in sums.values()]).mean()
    for name, value in made.modules["model"].state_dict().items():
        f = sums[name] / mean
        expected = (0.75 * f * old[name] + 0.25 * new[name]) / (0.75 * f + 0.25)
        torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-5)


def test_plain_blends_weigh_all_weights_alike(world):
    made, old, new = blended(world, alphas=(0.95,), recalibrate=False)
    assert made.describe["alpha"] == 0.95
    for name, value in made.modules["model"].state_dict().items():
        torch.testing.assert_close(value, 0.95 * old[name] + 0.05 * new[name])


@pytest.mark.parametrize(("kind", "further"), [("plain", []), ("fisher", [0.85, 0.92, 0.94, 0.96, 0.98])])
def test_shares_are_tried_in_tenths_and_with_fisher_more_near_the_old_model(world, kind, further):
    made, _, _ = blended(world, kind=kind)
    tenths = [number / 10 for number in range(11)]
    assert [score["alpha"] for score in made.describe["scores"]] == sorted([*tenths, *further])


def test_shares_that_are_asked_for_are_tried_in_order(world):
    asked = (0.9, 0.7, 0.3, 0.8, 0.1, 0.6)
    made, _, _ = blended(world, alphas=asked)
    assert [score["alpha"] for score in made.describe["scores"]] == [0.0, *sorted(asked)]


@pytest.mark.parametrize("wanted", [True, False])
def test_statistics_are_taken_anew_for_true_blends_alone(world, monkeypatch, wanted):
    taken = []
    monkeypatch.setattr("modelheir.models.blends.recalibrate", lambda model, batches: taken.append(model))
    blended(world, alphas=(0.0, 1.0), tolerance=1.0, recalibrate=wanted)
    assert not taken
    blended(world, alphas=(0.5, 0.75), recalibrate=wanted)
    assert (len(taken) >= 2) is wanted


@pytest.mark.parametrize(("settings", "alpha"), [({}, 0.0), ({"tolerance": 1.0}, 1.0)])
def test_by_default_no_accuracy_is_given_away(world, settings, alpha):
    """The old model makes no new mistake and is right twice, the new one on all the rest."""
    made, _, _ = blended(world, old_right=2, alphas=(1.0,), **settings)
    new, old = made.describe["scores"]
    assert new["accuracy"] > old["accuracy"] > 0
    assert new["nfr"] > old["nfr"] == 0
    assert made.describe["alpha"] == alpha
