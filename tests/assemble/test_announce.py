"""What a run says before its first batch."""

import dataclasses
import json

import numpy as np
import pytest
import yaml
from PIL import Image

from modelheir.assemble import predict, train
from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.network import NetworkConfig
from modelheir.config.run import TrainConfig
from modelheir.config.teacher import TeacherConfig
from modelheir.data import open_splits
from modelheir.methods import METHODS
from modelheir.models import build
from modelheir.objective.supervised import SupervisedConfig
from modelheir.plans import Grid, Stage
from modelheir.runs import read_predictions, write_predictions
from modelheir.runs.files import read_mapping, write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import save_weights

DATA = "synthetic:n=240,classes=3,size=8"


def config(out, **changes):
    fit = FitConfig(epochs=1, batch_size=16, lr=0.05)
    return TrainConfig(**{"data": DATA, "model": "mlp", "out": str(out), "device": "cpu", "fit": fit, **changes})


def save_model(path, seed=0, classes=None):
    """Write an untrained run folder and return its spec."""
    classes = classes or open_splits(DATA, InputConfig())["train"].classes
    model = build("mlp", classes=classes, image_size=8, config=NetworkConfig(), seed=seed)
    folder = RunFolder(path)
    write_json(folder.model, model.spec)
    save_weights(folder.weights, model.state_dict())
    return f"run:{path}"


def test_the_old_models_accuracy_is_said_before_training(tmp_path, capsys):
    """Counted by hand: predictions of the old model against the labels of the selection split."""
    old = save_model(tmp_path / "old")
    found = predict(old, DATA, split="val", device="cpu")
    right = sum(a == b for a, b in zip(found.prediction.tolist(), found.label.tolist(), strict=True))
    train("upgrade", config(tmp_path / "new", old=(old,), allow_weak_teacher=True))
    first = capsys.readouterr().err.splitlines()[0]
    assert first == f"--old {old}: accuracy on the selection split {right / len(found):.2%} of {len(found)} images"


def test_the_network_the_data_and_the_device_are_said_before_training(tmp_path, capsys):
    net = build("mlp", classes=("0", "1", "2"), image_size=8, config=NetworkConfig(), seed=0)
    count = sum(value.numel() for value in net.state_dict().values() if value.is_floating_point())
    count -= sum(value.numel() for name, value in net.named_buffers() if value.is_floating_point())
    images = len(open_splits(DATA, InputConfig())["train"])
    train("finetune", config(tmp_path / "a"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"mlp ({count / 1000:.1f} k parameters), 8 px, {images} images, 3 classes, {DATA}, cpu"
    assert lines[1] == (
        "augmentation crop (by up to 1 px), not mirrored; adamw, batches of 16, learning rate 0.05, one_cycle over 1 "
        "epoch, rising for 0.25, weight decay 0.01"
    )
    assert lines[2].startswith("train: ")


def test_a_network_that_comes_from_the_old_model_is_named_as_it_is(tmp_path, capsys):
    """The default for 8 pixels is another one."""
    old = save_model(tmp_path / "old")
    settings = config(tmp_path / "new", old=(old,), model="", allow_weak_teacher=True)
    folder = RunFolder(train("interpolate", dataclasses.replace(settings, fit=FitConfig(epochs=1))))
    said = capsys.readouterr().err
    assert "\nmlp (" in said
    assert said.count(" parameters), ") == 1
    assert "batches of 32, learning rate 0.001, one_cycle" in said  # a tenth: it begins from trained weights
    kept = yaml.safe_load(folder.config.read_text())
    assert (kept["model"], kept["fit"]["lr"]) == ("mlp", 0.001)


def test_the_rate_of_a_new_classifier_is_said_and_kept(tmp_path, capsys):
    start = save_model(tmp_path / "old", classes=("x", "y"))
    settings = config(tmp_path / "new", model="", fit=FitConfig(epochs=1))
    own = METHODS["finetune"].config(start=start, replace_head=True)
    folder = RunFolder(train("finetune", settings, own))
    assert "learning rate 0.001 (of the classifier 0.01), one_cycle" in capsys.readouterr().err
    assert yaml.safe_load(folder.config.read_text())["fit"]["head_multiplier"] == 10.0


@pytest.mark.parametrize("name", [name for name, one in METHODS.items() if hasattr(one.config(), "supervised")])
def test_settings_that_fit_no_data_are_refused_before_any_is_opened(tmp_path, name):
    method = METHODS[name]
    given = {"unlabelled": "folder:nowhere", "teacher": ("run:nowhere",)}
    there = {field.name for field in dataclasses.fields(method.config)}
    own = method.config(
        **{key: value for key, value in given.items() if key in there},
        supervised=SupervisedConfig(likelihood_scale=1.0),
        **({"label_weight": 1.0} if name == "distill" else {}),
    )
    run = config(tmp_path / "new", data="folder:nowhere", old=("run:nowhere",) if method.needs_old else ())
    with pytest.raises(InputError, match=r"^method\.supervised\.likelihood_scale = 1\.0 needs a likelihood"):
        train(name, run, own)
    assert not (tmp_path / "new").exists()


def test_a_tap_that_is_no_path_is_refused_before_any_data_is_opened(tmp_path):
    own = METHODS["distill"].config(teacher=("run:nowhere",), losses=("hint",), label_weight=1.0, taps=("a=b=c",))
    with pytest.raises(InputError, match=r"^pair of taps 'a=b=c'"):
        train("distill", config(tmp_path / "new", data="folder:nowhere"), own)


def test_quiet_says_nothing(tmp_path, capsys):
    old = save_model(tmp_path / "old")
    train("upgrade", config(tmp_path / "new", old=(old,), allow_weak_teacher=True, quiet=True))
    assert capsys.readouterr().err == ""


def test_stored_predictions_without_the_selection_split_say_so(tmp_path, capsys):
    old = tmp_path / "old.parquet"
    write_predictions(old, predict(save_model(tmp_path / "old"), DATA, split="train", device="cpu"))
    train("upgrade", config(tmp_path / "new", old=(str(old),), inputs=InputConfig(augment="none")))
    first = capsys.readouterr().err.splitlines()[0]
    assert first == f"--old {old}: no predictions of the whole selection split, so its accuracy there is unknown"


@pytest.mark.parametrize("augment", ["crop", "none"])
def test_stored_predictions_are_of_one_view_and_that_is_said(tmp_path, capsys, augment):
    """Of the whole selection split too, whose accuracy is then known."""
    model = save_model(tmp_path / "old")
    parts = [predict(model, DATA, split=split, device="cpu") for split in ("train", "val")]
    both = {name: np.concatenate([getattr(one, name) for one in parts]) for name in ("sample_id", "label", "logits")}
    old = tmp_path / "old.parquet"
    made = dataclasses.replace(parts[0], prediction=both["logits"].argmax(1), columns={}, **both)
    write_predictions(old, made)
    settings = config(tmp_path / "new", inputs=InputConfig(augment=augment), allow_weak_teacher=True)
    train("distill", settings, METHODS["distill"].config(teacher=(str(old),)))
    lines = capsys.readouterr().err.splitlines()
    said = f"--teacher {old}: stored predictions are of one view of each image, and the new model sees augmented images"
    assert [line.startswith(said) for line in lines[:2]] == [augment == "crop", False]
    assert f"--teacher {old}: accuracy on the selection split" in lines[augment == "crop"]


def test_teachers_and_losses_are_said_with_their_weights_and_kept(tmp_path, capsys):
    first, second = f"run:{tmp_path / 'a'}", f"run:{tmp_path / 'b'}"
    for seed, address in enumerate((first, second)):
        train("finetune", config(address.removeprefix("run:"), seed=seed, quiet=True))
    own = METHODS["distill"].config(
        teacher=(first, second),
        policy=TeacherConfig(weights=(3.0, 1.0)),
        losses=("kl_distillation", "dist"),
        loss_weights=(1.0, 0.5),
        label_weight=2.0,
    )
    folder = RunFolder(train("distill", config(tmp_path / "new", allow_weak_teacher=True), own))
    assert capsys.readouterr().err.splitlines()[3] == (
        f"learns from {first} (share 0.75) and {second} (share 0.25) by kl_distillation (weight 1), dist (weight 0.5), "
        "labels (weight 2)"
    )
    kept = [read_mapping(path, "").get("describe", {}) for path in folder.path.glob("stages/*/*.json")]
    assert {"kl_distillation": 1.0, "dist": 0.5, "labels": 2.0} in [one.get("taught", {}).get("losses") for one in kept]
    chain = METHODS["distill"].config(teacher=(first,), assistants=("mlp",))
    train("distill", config(tmp_path / "chain", allow_weak_teacher=True), chain)
    assert f"learns from {first} by kl_distillation (weight 1)\n" in capsys.readouterr().err


def test_classes_that_are_numbers_are_matched_in_order_only_where_the_user_says_so(tmp_path, caplog):
    for split in ("train", "val", "test"):
        for number, name in enumerate(("cat", "dog")):
            folder = tmp_path / "pets" / split / name
            folder.mkdir(parents=True)
            for i in range(8):
                Image.fromarray(np.full((8, 8, 3), 100 * number + i, np.uint8)).save(folder / f"{i}.png")
    old = save_model(tmp_path / "old", classes=("0", "1", "2"))
    data = f"folder:{tmp_path / 'pets'}"
    settings = {"data": data, "old": (old,), "allow_weak_teacher": True}
    with pytest.raises(InputError, match=r"share no class name: the data has cat, dog, --old .* has 0, 1, 2; give"):
        train("upgrade", config(tmp_path / "new", **settings))
    train("upgrade", config(tmp_path / "new", **settings, classes="by-order"))
    assert "old: classes by order: 0 = cat, 1 = dog." in caplog.text
    with pytest.raises(InputError, match="there is no --old"):
        train("finetune", config(tmp_path / "plain", classes="by-order"))


def test_the_training_images_decide_the_size_for_every_split(tmp_path, capsys):
    """Pictures of 8 to 12 pixels in training, 20 in the others: a linear network takes 12 throughout."""
    for split, sides in (("train", (8, 12)), ("val", (20, 20)), ("test", (20, 20))):
        for number, name in enumerate(("cat", "dog")):
            folder = tmp_path / "pets" / split / name
            folder.mkdir(parents=True)
            for i in range(8):
                pixels = np.full((sides[i % 2], sides[i % 2], 3), 100 * number + i, np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    train("finetune", config(tmp_path / "new", data=f"folder:{tmp_path / 'pets'}"))
    assert "parameters), 12 px, 16 images, 2 classes, folder:" in capsys.readouterr().err.splitlines()[0]
    assert len(read_predictions(tmp_path / "new" / "predictions" / "test.parquet")) == 16


def test_how_much_of_the_network_trains_is_said_where_it_is_not_all(tmp_path, capsys):
    train("finetune", config(tmp_path / "a", trainable="head"))
    assert " parameters, 195 of them trained), 8 px" in capsys.readouterr().err.splitlines()[0]  # 64 * 3 + 3


def test_a_grid_says_how_many_settings_there_are_and_trains_to_a_run_like_any_other(tmp_path, capsys, monkeypatch):
    """A method whose stage is a grid over the rate; network, images and recipe are said of its first setting."""
    real = METHODS["finetune"]

    def plan(settings, given):
        (stage,) = real.plan(settings, given)

        def prepare(done):
            def make_task(setting):
                task = stage.prepare(done)
                return dataclasses.replace(task, fit=dataclasses.replace(given.fit, lr=setting["lr"], keep="best"))

            return Grid([{"lr": 1e-7}, {"lr": 0.05}], make_task, runner="sequential")

        return [Stage("grid", prepare)]

    monkeypatch.setitem(METHODS, "finetune", dataclasses.replace(real, plan=plan))
    train("finetune", config(tmp_path / "a", fit=FitConfig(epochs=2, batch_size=16, lr=0.05)))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "grid: 2 settings"
    assert lines[1].startswith("mlp (")
    assert "batches of 16" in lines[2]
    assert "grid: 2 settings, sequential" in lines
    (stage,) = (tmp_path / "a" / "stages").iterdir()
    rows = json.loads((stage / "result.json").read_text())["describe"]["grid"]["members"]
    assert [row["setting"] for row in rows] == [{"lr": 1e-7}, {"lr": 0.05}]
    found = read_predictions(tmp_path / "a" / "predictions" / "val.parquet")
    assert (found.prediction == found.label).mean() == max(row["selection"] for row in rows)
    assert rows[0]["selection"] < rows[1]["selection"]
