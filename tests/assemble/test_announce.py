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
from modelheir.data import open_splits
from modelheir.methods import METHODS
from modelheir.models import build
from modelheir.plans import Grid, Stage
from modelheir.runs import read_predictions, write_predictions
from modelheir.runs.files import write_json
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
        "epochs, rising for 0.25, weight decay 0.01"
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
