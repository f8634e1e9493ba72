"""``predict``: a run's own settings are the defaults, and the file is the library's predictions."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import modelheir.assemble
from modelheir.checks import InputError
from modelheir.cli import main, predict
from modelheir.runs.predictions import read_predictions


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


def test_progress_counts_images(calls, predictions, tmp_path, capsys):
    def run(*_, advance, **__):
        advance(5)
        return predictions

    calls.replace(modelheir.assemble, "predict", run)
    predict.main(["tv:x", "--out", str(tmp_path / "p.parquet")])
    assert "predict test: 1 step in " in capsys.readouterr().err


@pytest.mark.parametrize("data", ["folder:inbox", "folder:inbox/nested", "list:inbox/new.txt"])
def test_new_images_without_labels(data, here, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a", "b", "c")):
        folder = Path("inbox/nested/unlabelled" if "nested" in data else "inbox")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(here / f"good/test/{name}/0.png", folder / f"photo {number}.png")
    Path("inbox/new.txt").write_text("photo 0.png\nphoto 1.png\nphoto 2.png\n")
    words = ["--data", data, "--split", "unlabelled", "--device", "cpu", "--quiet"]
    assert main(["predict", str(here / "v1"), "--out", "new.parquet", *words]) == 0
    assert capsys.readouterr().out.startswith("3 images of unlabelled, accuracy ")
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
    words = ["predict", here / "v1", "--data", "folder:inbox", "--out", "x.parquet", "--quiet"]
    assert "unknown split 'test'. Known: unlabelled." in refused(*words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "MODEL is missing: modelheir predict MODEL"),
        (["a", "b"], "unexpected 'b'"),
        (["a"], "--out FILE is missing"),
        (["a", "--out", "x.csv"], "must end with .parquet"),
        (["a", "--split", "tset"], "Did you mean 'test'?"),
        (["a", "--device", "tpu"], "device = 'tpu'"),
    ],
)
def test_mistakes(words, said):
    with pytest.raises(InputError) as error:
        predict.main(words)
    assert said in str(error.value)
