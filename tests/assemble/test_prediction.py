"""Predictions of a split: evaluation transform everywhere, ten crops and their single logits, features."""

import os

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as tv

from modelheir.assemble import evaluate, predict
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.models import build
from modelheir.runs import read_predictions
from modelheir.runs.crops import read_crops
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import save_weights

DATA = "synthetic:n=60,classes=3,size=12"
INPUTS = InputConfig(image_size=8, resize=10)


@pytest.fixture(scope="module")
def images():
    return open_splits(DATA, INPUTS)


@pytest.fixture(scope="module")
def model(images):
    return build("convnet", classes=images["train"].classes, image_size=8).eval()


def pictures(images):
    """Return the images of a set after the evaluation resize, before any crop."""
    whole = torch.stack([torch.from_numpy(images.image(i).copy()).permute(2, 0, 1) for i in range(len(images))])
    return tv.resize(whole, [10, 10], antialias=True).float() / 255


@torch.no_grad()
def test_the_training_split_is_read_as_in_evaluation(model, images):
    found = predict(model, DATA, split="train", inputs=INPUTS, device="cpu", batch_size=7, features=True)
    expected = model(tv.center_crop(pictures(images["train"]), [8, 8]))
    assert found.sample_id.tolist() == images["train"].ids.tolist()
    assert found.logits == pytest.approx(expected.logits.numpy(), abs=0.02)
    assert found.features == pytest.approx(expected.features.numpy(), abs=0.02)
    again = predict(model, DATA, split="train", inputs=INPUTS, device="cpu")
    assert again.logits == pytest.approx(found.logits, abs=1e-5)  # nothing is drawn
    assert again.features is None


@torch.no_grad()
def test_ten_crops_are_averaged_and_kept_one_by_one(model, images, tmp_path):
    file = tmp_path / "crops.npz"
    found = predict(model, DATA, inputs=INPUTS, device="cpu", batch_size=5, ten_crop=True, crops=file)
    ids, crops, classes = read_crops(file)
    assert ids.tolist() == found.sample_id.tolist() == images["test"].ids.tolist()
    assert classes == images["test"].classes
    assert crops.shape == (len(ids), 10, 3)
    np.testing.assert_allclose(crops.mean(1), found.logits, atol=1e-5)
    five = tv.five_crop(pictures(images["test"]), [8, 8])
    views = [*five, *(view.flip(3) for view in five)]
    expected = torch.stack([model(view).logits for view in views], dim=1).numpy()
    assert crops == pytest.approx(expected, abs=0.005)
    assert np.abs(crops[:, 0] - crops[:, 4]).max() > 0.001  # the views do differ


def test_crops_need_ten_crops_and_a_name(model, tmp_path):
    for settings in ({"crops": "c.npz"}, {"crops": "c.parquet", "ten_crop": True}):
        with pytest.raises(InputError, match="needs ten_crop"):
            predict(model, DATA, inputs=INPUTS, device="cpu", **settings)


def test_many_models_go_into_one_cache_and_run_once(tmp_path, monkeypatch):
    import modelheir.assemble.prediction as prediction

    specs = []
    for name, seed in (("one", 1), ("two", 2)):
        made = build("mlp", classes=open_splits(DATA, INPUTS)["test"].classes, image_size=8, seed=seed)
        folder = RunFolder(tmp_path / name)
        write_json(folder.model, made.spec)
        save_weights(folder.weights, made.state_dict())
        specs.append(f"run:{folder.path}")
    settings = {"cache": tmp_path / "cache", "inputs": INPUTS, "device": "cpu", "old": specs[0]}
    rows = evaluate(specs, DATA, **settings)
    assert rows[0]["nfr"] == rows[0]["pfr"] == 0.0
    assert len(list((tmp_path / "cache").glob("*.parquet"))) == 2
    monkeypatch.setattr(prediction, "_predict", lambda *a: pytest.fail("run again"))
    assert evaluate(specs, DATA, **settings) == rows


def constant(answer):
    """Return a net that gives every image class number ``answer``, so that what it says is known."""
    made = build("convnet", classes=open_splits(DATA, INPUTS)["test"].classes, image_size=8)
    with torch.no_grad():
        made.head.weight.zero_()
        made.head.bias.copy_(torch.eye(3)[answer])
    return made


def answers(specs, tmp_path):
    """Evaluate, and return the one answer that each model gives to every image, and the rows."""
    rows = evaluate(specs, DATA, cache=tmp_path / "cache", inputs=INPUTS, device="cpu", old=specs[0])
    given = [set(read_predictions(row["file"]).prediction.tolist()) for row in rows]
    assert all(len(one) == 1 for one in given)
    return [one.pop() for one in given], rows


def test_a_file_written_again_is_evaluated_again(tmp_path):
    old, new = tmp_path / "old.pt", tmp_path / "new.pt"
    specs = [f"file:{path}:convnet" for path in (old, new)]
    for path in (old, new):
        torch.save(constant(0).state_dict(), path)
    assert answers(specs, tmp_path)[0] == [0, 0]
    stamp = new.stat()
    torch.save(constant(1).state_dict(), new)
    os.utime(new, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # a copy may keep the time, and the size is the same
    assert new.stat().st_size == stamp.st_size
    given, rows = answers(specs, tmp_path)
    assert given == [0, 1]
    labels = open_splits(DATA, INPUTS)["test"].labels
    assert rows[1]["accuracy"] == pytest.approx(np.mean(labels == 1))
    assert rows[1]["nfr"] == pytest.approx(np.mean(labels == 0))


def test_a_stage_and_a_description_written_again_are_evaluated_again(tmp_path):
    folder = RunFolder(tmp_path / "run")
    write_json(folder.model, constant(0).spec)
    save_weights(folder.weights, constant(0).state_dict())
    stage = folder.stage(0, "member")

    def write(answer):
        save_weights(stage.weights, {f"model/{key}": value for key, value in constant(answer).state_dict().items()})
        stage.finish({}, {"model": constant(answer).spec})

    specs = [f"run:{folder.path}", f"run:{folder.path}#member"]
    write(1)
    assert answers(specs, tmp_path)[0] == [0, 1]
    write(2)
    assert answers(specs, tmp_path)[0] == [0, 2]
    write_json(folder.model, {**constant(0).spec, "classes": constant(0).spec["classes"][::-1]})
    assert answers(specs, tmp_path)[0] == [2, 2]  # the model's first column is the data's last class now
