"""Predictions of a split: evaluation transform everywhere, ten crops and their single logits, features."""

import dataclasses
import os

import numpy as np
import pytest
import scipy.special
import torch
import torchvision.transforms.functional as tv
from PIL import Image

from modelheir.assemble import evaluate, predict, with_names
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.metrics.unknown_classes import unknown_classes
from modelheir.models import build
from modelheir.runs import read_predictions
from modelheir.runs.crops import read_crops
from modelheir.runs.files import write_json, write_text
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import save_weights
from modelheir.types import Predictions

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


def test_names_and_confidence_stand_beside_the_numbers():
    logits = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, -1e4], [-3.0, 1.0, 1.5]], np.float32)
    made = Predictions(
        np.array(list("abc")),
        np.array([2, -1, 0]),
        logits.argmax(1),
        logits,
        classes=("cat", "<b>", "Ünï"),
        columns={"site": np.array(["x", "y", "z"])},
    )
    columns = with_names(made).columns
    assert list(columns) == ["class", "predicted_class", "confidence", "site"]
    assert columns["class"].tolist() == ["Ünï", "", "cat"]
    assert columns["predicted_class"].tolist() == ["cat", "cat", "Ünï"]
    assert columns["confidence"] == pytest.approx(scipy.special.softmax(logits.astype(float), axis=1).max(1), abs=1e-6)
    assert list(made.columns) == ["site"]
    unlabelled = dataclasses.replace(made, label=np.full(3, -1), columns={"confidence": np.array([7, 8, 9])})
    columns = with_names(unlabelled).columns
    assert sorted(columns) == ["confidence", "predicted_class"]
    assert columns["confidence"].tolist() == [7, 8, 9]  # the data's own stays
    assert list(with_names(dataclasses.replace(made, classes=None, columns={})).columns) == ["confidence"]


def test_images_that_cannot_be_decoded_are_named(tmp_path):
    for name in ("a", "sub/b", "c"):
        file = tmp_path / "unlabelled" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(file)
    (tmp_path / "unlabelled/sub/bad.png").write_bytes(b"no picture")
    model = build("convnet", classes=("x", "y"), image_size=8).eval()
    data = f"folder:{tmp_path}"
    for changes in ({}, {"resident_gib": 0.0, "verify": "none"}):  # found at the start, and on the way
        inputs = InputConfig(image_size=8, workers=0, max_bad_share=0.25, **changes)
        found = predict(model, data, inputs=inputs, device="cpu")
        assert found.skipped == ("unlabelled/sub/bad.png",)
        assert sorted(found.sample_id) == [f"unlabelled/{name}.png" for name in ("a", "c", "sub/b")]
        said = r"1 of 4 .* over the share inputs.max_bad_share = 0.2: mend or remove them, or raise it"
        with pytest.raises(InputError, match=said):
            predict(model, data, inputs=dataclasses.replace(inputs, max_bad_share=0.2), device="cpu")


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


def test_the_likeliest_classes_get_columns(model):
    found = predict(model, DATA, inputs=INPUTS, device="cpu", top_k=2)
    chance = scipy.special.softmax(found.logits.astype(np.float64), axis=1)
    order = np.argsort(-chance, axis=1)
    assert list(found.columns)[:4] == ["class_1", "probability_1", "class_2", "probability_2"]
    for place in range(2):
        assert found.columns[f"class_{place + 1}"].tolist() == [f"class{number}" for number in order[:, place]]
        expected = np.take_along_axis(chance, order, axis=1)[:, place]
        assert found.columns[f"probability_{place + 1}"] == pytest.approx(expected)
    assert found.columns["class_1"].tolist() == [f"class{number}" for number in found.prediction]
    assert not [name for name in predict(model, DATA, inputs=INPUTS, device="cpu").columns if "_1" in name]
    with pytest.raises(InputError, match=r"top_k = 4: there are 3 classes; give 0 to 3"):
        predict(model, DATA, inputs=INPUTS, device="cpu", top_k=4)


def test_a_class_that_the_model_does_not_know_is_the_least_likely(images):
    names = images["test"].classes
    old = build("convnet", classes=(names[2], names[0]), image_size=8, seed=3).eval()
    found = predict(old, DATA, inputs=INPUTS, device="cpu", top_k=3)
    assert set(found.columns["class_3"]) == {names[1]}
    assert found.columns["probability_3"].max() == 0


def test_crops_need_ten_crops_and_a_name(model, tmp_path):
    for settings in ({"crops": "c.npz"}, {"crops": "c.parquet", "ten_crop": True}):
        with pytest.raises(InputError, match="needs ten_crop"):
            predict(model, DATA, inputs=INPUTS, device="cpu", **settings)


def test_many_models_go_into_one_cache_and_run_once(tmp_path, monkeypatch):
    import modelheir.assemble.evaluation as evaluation

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
    monkeypatch.setattr(evaluation, "predict_images", lambda *a, **k: pytest.fail("run again"))
    assert evaluate(specs, DATA, **settings) == rows


def a_run(folder, made, inputs):
    folder = RunFolder(folder)
    write_json(folder.model, made.spec)
    save_weights(folder.weights, made.state_dict())
    write_text(folder.config, f"train: finetune\ndata: {DATA}\ninputs: {inputs}\n")
    return f"run:{folder.path}"


@torch.no_grad()
def test_each_run_is_evaluated_with_its_own_inputs(model, images, tmp_path):
    other = build("convnet", classes=model.classes, image_size=12, seed=4).eval()
    specs = [
        a_run(tmp_path / "one", model, "{image_size: 8, resize: 10}"),
        a_run(tmp_path / "two", other, "{image_size: 12}"),
    ]
    rows = evaluate(specs, DATA, cache=tmp_path / "cache", device="cpu", old=specs[1])
    found = [read_predictions(row["file"]).logits for row in rows]
    whole = [torch.from_numpy(images["test"].image(i).copy()).permute(2, 0, 1) for i in range(len(images["test"]))]
    assert found[0] == pytest.approx(model(tv.center_crop(pictures(images["test"]), [8, 8])).logits.numpy(), abs=0.02)
    assert found[1] == pytest.approx(other(torch.stack(whole).float() / 255).logits.numpy(), abs=1e-4)
    assert rows[1]["nfr"] == rows[1]["pfr"] == 0
    given = evaluate(specs[:1], DATA, cache=tmp_path / "cache", device="cpu", inputs={specs[0]: InputConfig(resize=8)})
    assert np.abs(read_predictions(given[0]["file"]).logits - found[0]).max() > 0.01  # what is given wins


@torch.no_grad()
def test_auto_is_the_size_that_the_model_was_made_for(model, images):
    whole = torch.stack([torch.from_numpy(images["test"].image(i).copy()).permute(2, 0, 1) for i in range(12)])
    expected = model(tv.resize(whole, [8, 8], antialias=True).float() / 255).logits.numpy()
    assert predict(model, DATA, device="cpu").logits == pytest.approx(expected, abs=0.02)


def test_models_that_split_the_data_otherwise_are_not_compared(model, tmp_path):
    specs = [a_run(tmp_path / str(seed), model, f"{{split_seed: {seed}}}") for seed in (0, 1)]
    with pytest.raises(InputError, match="the old model run:"):
        evaluate(specs, DATA, cache=tmp_path / "cache", device="cpu", old=specs[0])


@torch.no_grad()
def test_a_class_that_the_model_does_not_know_counts_as_wrong(model, images, tmp_path):
    names = model.classes
    old = build("convnet", classes=(names[2], names[0]), image_size=8, seed=3).eval()
    found = predict(old, DATA, inputs=INPUTS, device="cpu")
    expected = old(tv.center_crop(pictures(images["test"]), [8, 8])).logits.numpy()
    assert found.classes == names
    assert found.label.tolist() == images["test"].labels.tolist()
    assert found.logits[:, [2, 0]] == pytest.approx(expected, abs=0.02)
    assert found.prediction.tolist() == np.array([2, 0])[expected.argmax(1)].tolist()
    assert unknown_classes(found.logits, found.classes) == (names[1],)
    assert torch.from_numpy(found.logits).softmax(1)[:, 1].max() == 0
    spec = a_run(tmp_path / "old", old, "{image_size: 8, resize: 10}")
    (row,) = evaluate([spec], DATA, cache=tmp_path / "cache", device="cpu", old=spec)
    right = np.array([2, 0])[expected.argmax(1)] == images["test"].labels
    assert (row["accuracy"], row["n"], row["unknown"]) == (right.mean(), 12, [names[1]])


def test_the_old_model_is_blamed_for_its_own_failure(model, tmp_path):
    spec = a_run(tmp_path / "new", model, "{image_size: 8}")
    other = a_run(tmp_path / "old", build("convnet", classes=("x", "y"), image_size=8), "{image_size: 8}")
    with pytest.raises(InputError, match=r"the old model run:.*old: the data and the model share no class name"):
        evaluate([spec], DATA, cache=tmp_path / "cache", device="cpu", old=other)


def test_classes_in_order_only_where_the_user_says_so(model, images, tmp_path):
    """Ten names on the one side and other ten on the other once ran by order without a word, at chance."""
    other = build("convnet", classes=("x", "y", "z"), image_size=8, seed=3).eval()
    spec, words = a_run(tmp_path / "other", other, "{image_size: 8, resize: 10}"), "share no class name: the data has"
    for call in (lambda: predict(other, DATA), lambda: predict(spec), lambda: evaluate([spec], cache=tmp_path / "c")):
        with pytest.raises(InputError, match=f"{words} class0, class1, class2, the model has x, y, z; give .*by-order"):
            call()
    with torch.no_grad():
        expected = other(tv.center_crop(pictures(images["test"]), [8, 8])).logits.numpy()
    found = predict(spec, classes="by-order", device="cpu")
    assert found.logits == pytest.approx(expected, abs=0.02)
    assert found.classes == model.classes
    (row,) = evaluate([spec], classes="by-order", cache=tmp_path / "c", device="cpu")
    assert row["accuracy"] == np.mean(expected.argmax(1) == images["test"].labels)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_weights_without_names_fit_data_of_as_many_classes(count, images, tmp_path, caplog):
    made = build("convnet", classes=[str(number) for number in range(count)], image_size=8, seed=6).eval()
    torch.save(made.state_dict(), tmp_path / "w.pt")
    spec, settings = f"file:{tmp_path / 'w.pt'}:convnet", {"inputs": INPUTS, "device": "cpu"}
    if count != 3:
        with pytest.raises(InputError, match=f"tells {count} classes apart without naming them, and the data has 3"):
            predict(spec, DATA, **settings)
    found = predict(spec, DATA, classes="by-name" if count == 3 else "by-order", **settings)
    with torch.no_grad():
        expected = made(tv.center_crop(pictures(images["test"]), [8, 8])).logits.numpy()
    assert found.logits[:, :count] == pytest.approx(expected[:, :3], abs=0.02)
    assert found.logits.shape[1] == 3
    assert unknown_classes(found.logits, found.classes) == (("class2",) if count == 2 else ())
    assert "w.pt:convnet: classes by order: 0 = class0, 1 = class1" in caplog.text


def test_without_data_a_run_takes_its_own_and_no_other_model_takes_digits(model, images, tmp_path):
    spec = a_run(tmp_path / "own", model, "{image_size: 8, resize: 10, split_seed: 5}")
    found = predict(spec, device="cpu")
    splits = open_splits(DATA, InputConfig(image_size=8, resize=10, split_seed=5))
    assert found.sample_id.tolist() == splits["test"].ids.tolist() != images["test"].ids.tolist()
    (row,) = evaluate([spec], cache=tmp_path / "c", device="cpu")
    assert read_predictions(row["file"]).sample_id.tolist() == splits["test"].ids.tolist()
    torch.save(model.state_dict(), tmp_path / "w.pt")
    alone = f"file:{tmp_path / 'w.pt'}:convnet"
    for call in (lambda: predict(alone), lambda: predict(model), lambda: evaluate([alone], cache=tmp_path / "c")):
        with pytest.raises(InputError, match=r"which data\? Only a run .* none( among file:.*)?: give --data"):
            call()
    rows = evaluate([alone], old=spec, cache=tmp_path / "c", device="cpu", inputs=INPUTS)  # the old model's data
    assert rows[0]["nfr"] == 0


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
