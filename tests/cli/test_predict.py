"""``predict``: a run's own settings are the defaults, and the file is the library's predictions."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import modelheir.assemble
from modelheir.checks import InputError
from modelheir.cli import compare, main, predict
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.models import build
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions
from modelheir.runs.tensors import save_weights


def test_writes_the_predictions(calls, predictions, tmp_path, capsys):
    calls.replace(modelheir.assemble, "predict", predictions)
    out = tmp_path / "new" / "p.parquet"
    assert predict.main(["tv:resnet18", "--data", "synthetic", "--split", "val", "--out", str(out), "--quiet"]) == 0
    (model, data), named = calls["predict"]
    assert (model, data, named["split"], named["device"]) == ("tv:resnet18", "synthetic", "val", "auto")
    assert np.array_equal(read_predictions(out).prediction, predictions.prediction)
    assert capsys.readouterr().out == f"5 images of val, accuracy 75.00%, written to {out}\n"


def test_a_run_brings_its_settings(calls, predictions, tmp_path):
    calls.replace(modelheir.assemble, "predict", predictions)
    (tmp_path / "config.yaml").write_text(
        "train: x\ndata: synthetic\ninputs: {image_size: 12, split_seed: 3}\nfit: {}\n"
    )
    out = str(tmp_path / "p.parquet")
    assert predict.main([f"run:{tmp_path}", "--out", out, "--inputs.split_seed", "4", "--quiet"]) == 0
    (_, data), named = calls["predict"]
    assert data == "synthetic"
    assert (named["inputs"].image_size, named["inputs"].split_seed) == (12, 4)


def test_classes_go_through_and_no_model_takes_data_that_nobody_named(calls, predictions, tmp_path):
    with pytest.raises(InputError, match=r"which data\? .* none among tv:resnet18: give --data"):
        predict.main(["tv:resnet18", "--out", str(tmp_path / "p.parquet"), "--quiet"])
    assert not (tmp_path / "p.parquet").exists()
    calls.replace(modelheir.assemble, "predict", predictions)
    words = ["tv:resnet18", "--data", "digits", "--out", str(tmp_path / "p.parquet"), "--quiet"]
    for given, expected in (([], "by-name"), (["--classes", "by-order"], "by-order")):
        predict.main([*words, *given])
        assert calls["predict"][1]["classes"] == expected
    with pytest.raises(InputError, match="Did you mean 'by-order'"):
        predict.main([*words, "--classes", "by-oder"])


def test_csv_says_names_and_counts_what_cannot_be_decoded(calls, predictions, tmp_path, capsys):
    lost = ("a\x1b[2J.jpg", *(f"{k}.png" for k in range(21)))
    calls.replace(modelheir.assemble, "predict", dataclasses.replace(predictions, skipped=lost))
    out = tmp_path / "p.csv"
    assert predict.main(["tv:resnet18", "--data", "synthetic", "--out", str(out), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "22 of 27 images cannot be decoded and have no row: a\\x1b[2J.jpg, 0.png" in said
    assert ", 18.png, ...\n" in said
    with out.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["sample_id"] for row in rows] == list("abcde")
    assert [row["class"] for row in rows] == ["x", "y", "z", "y", ""]
    assert [row["predicted_class"] for row in rows] == ["x", "y", "z", "x", "y"]
    share = np.exp(4) / (np.exp(4) + 2)
    assert [float(row["confidence"]) for row in rows] == pytest.approx([share] * 5)
    assert np.array_equal(read_predictions(out).logits, predictions.logits)
    assert compare.main([str(out), str(out), "--slice", "predicted_class"]) == 0


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_the_likeliest_classes_of_each_image_are_written(name, tmp_path):
    """Names and probabilities beside the rest."""
    made, folder = build("mlp", classes=("ape", "cat", "dog"), image_size=8), RunFolder(tmp_path / "run")
    with torch.no_grad():
        made.head.weight.zero_()
        made.head.bias.copy_(torch.tensor([1.0, 2.0, 0.0]))
    write_json(folder.model, made.spec)
    save_weights(folder.weights, made.state_dict())
    out = tmp_path / name
    words = ["--data", "synthetic:n=40,classes=3,size=8", "--classes", "by-order", "--device", "cpu", "--quiet"]
    with pytest.raises(InputError, match="top_k = 4: there are 3 classes"):
        predict.main([f"run:{folder.path}", "--out", str(out), "--top-k", "4", *words])
    assert not out.exists()
    assert predict.main([f"run:{folder.path}", "--out", str(out), "--top-k", "2", *words]) == 0
    found = read_predictions(out).columns
    share = np.exp([2, 1]) / np.exp([0, 1, 2]).sum()
    assert (set(found["class_1"]), set(found["class_2"])) == ({"class1"}, {"class0"})  # the data's names
    assert found["probability_1"] == pytest.approx(share[0])
    assert found["probability_2"] == pytest.approx(share[1])
    assert "class_3" not in found


def test_names_of_likely_classes_are_escaped_in_csv(calls, predictions, tmp_path):
    likely = {"class_1": np.array(["=1+1", "x", "y", "z", "x"]), "probability_1": np.full(5, 0.5)}
    calls.replace(modelheir.assemble, "predict", dataclasses.replace(predictions, columns=likely))
    out = tmp_path / "p.csv"
    assert predict.main(["tv:resnet18", "--data", "synthetic", "--top-k", "1", "--out", str(out), "--quiet"]) == 0
    assert calls["predict"][1]["top_k"] == 1
    with out.open(newline="") as handle:
        assert next(csv.DictReader(handle))["class_1"] == "'=1+1"
    assert read_predictions(out).columns["class_1"].tolist() == likely["class_1"].tolist()


def test_digits_are_compared_by_writer(tmp_path):
    made, folder = build("convnet", classes=tuple("0123456789"), image_size=8), RunFolder(tmp_path / "run")
    write_json(folder.model, made.spec)
    save_weights(folder.weights, made.state_dict())
    out = str(tmp_path / "p.csv")
    assert predict.main([f"run:{folder.path}", "--data", "digits", "--out", out, "--quiet", "--device", "cpu"]) == 0
    assert compare.main([out, out, "--slice", "writer", "--json", str(tmp_path / "c.json")]) == 0
    rows = json.loads((tmp_path / "c.json").read_text())["slices"]
    assert [str(row["value"]) for row in rows] == [str(k) for k in range(14)]
    assert sum(row["n"] for row in rows) == 359


def test_an_old_model_of_fewer_classes_is_compared(tmp_path, capsys):
    data, names = "synthetic:n=60,classes=3,size=8", ("class0", "class1", "class2")
    images = open_splits(data, InputConfig())["test"]
    assert images.classes == names
    for name, classes in (("old", names[:2]), ("new", names)):
        made, folder = build("convnet", classes=classes, image_size=8), RunFolder(tmp_path / name)
        with torch.no_grad():
            made.head.weight.zero_()  # each says its second class always
            made.head.bias.copy_(torch.eye(len(classes))[1])
        write_json(folder.model, made.spec)
        save_weights(folder.weights, made.state_dict())
        out = str(tmp_path / f"{name}.parquet")
        assert predict.main([f"run:{folder.path}", "--data", data, "--out", out, "--quiet", "--device", "cpu"]) == 0
        said = capsys.readouterr().out
        assert ("old does not know 1 of the classes (class2): their images count as wrong." in said) == (name == "old")
    files = [str(tmp_path / f"{name}.parquet") for name in ("old", "new")]
    assert compare.main([*files, "--json", str(tmp_path / "c.json"), "--html", str(tmp_path / "c.html")]) == 0
    found = json.loads((tmp_path / "c.json").read_text())
    share = float(np.mean(images.labels == 1))
    assert (found["n"], found["accuracy_old"], found["accuracy_new"], found["nfr"]) == (12, share, share, 0)
    assert [row["class"] for row in found["per_class"]] == list(names)
    assert found["per_class"][2]["accuracy_old"] == 0
    assert np.isfinite(found["calibration"]["old"]["nll"])


def test_progress_counts_images(calls, predictions, tmp_path, capsys):
    def run(*_, advance, **__):
        advance(5)
        return predictions

    calls.replace(modelheir.assemble, "predict", run)
    predict.main(["tv:x", "--out", str(tmp_path / "p.parquet")])
    assert "predict: 1 step in " in capsys.readouterr().err


@pytest.mark.parametrize("data", ["folder:inbox", "folder:inbox/nested", "list:inbox/new.txt"])
def test_new_images_without_labels(data, here, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a", "b", "c")):
        folder = Path("inbox/nested/unlabelled" if "nested" in data else "inbox")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(here / f"good/test/{name}/0.png", folder / f"photo {number}.png")
    Path("inbox/new.txt").write_text("photo 0.png\nphoto 1.png\nphoto 2.png\n")
    words = ["--data", data, "--device", "cpu", "--quiet"]
    assert main(["predict", str(here / "v1"), "--out", "new.parquet", *words]) == 0
    assert capsys.readouterr().out == "3 images, written to new.parquet\n"
    found = read_predictions(Path("new.parquet"))
    known = read_predictions(here / "v1/predictions/test.parquet")
    same = [known.sample_id.tolist().index(f"test/{name}/0.png") for name in "abc"]
    assert [Path(name).name for name in found.sample_id] == ["photo 0.png", "photo 1.png", "photo 2.png"]
    assert (found.classes, found.label.tolist()) == (known.classes, [-1, -1, -1])
    assert np.allclose(found.logits, known.logits[same], atol=1e-5)


def test_new_images_without_labels_are_no_training_data(here, refused, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("inbox").mkdir()
    shutil.copy(here / "good/test/a/0.png", "inbox/a.png")
    assert "all images are unlabelled" in refused("train", "finetune", "--data", "folder:inbox")
    words = ["predict", here / "v1", "--data", "folder:inbox", "--split", "test", "--out", "x.parquet", "--quiet"]
    assert "unknown split 'test'. Known: unlabelled." in refused(*words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "MODEL is missing: modelheir predict MODEL"),
        (["a", "b"], "unexpected 'b'"),
        (["a"], "--out FILE is missing"),
        (["a", "--out", "x.txt"], "must end in .parquet or .csv"),
        (["a", "--split", "tset"], "Did you mean 'test'?"),
        (["a", "--device", "tpu"], "device = 'tpu'"),
    ],
)
def test_mistakes(words, said):
    with pytest.raises(InputError) as error:
        predict.main(words)
    assert said in str(error.value)
