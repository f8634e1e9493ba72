"""The real command: a run of co-training is a classifier of images, prints its table, and stops without harm."""

import json

import numpy as np
import pytest
import torch

from modelheir import models
from modelheir.checks import InputError
from modelheir.cli import train
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.runs.predictions import read_predictions

DATA = "synthetic:n=96,classes=3,size=8"
COMMON = ["cotrain", "--data", DATA, "--views", "pixels:left", "pixels:right", "--labels", "5 per class"]
COMMON += ["--device", "cpu", "--epochs", "1", "--method.seeds", "1", "--quiet"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "few"
    assert train.main([*COMMON, "--algorithm", "mct", "supervised", "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_run_says_of_images_what_it_said(run, split):
    model = models.load(f"run:{run}").eval()
    images = open_splits(DATA, InputConfig())[split]
    pixels = np.stack([images.image(number) for number in range(len(images))])
    with torch.no_grad():
        logits = model(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).logits
    kept = read_predictions(run / "predictions" / f"{split}.parquet")
    assert kept.sample_id.tolist() == images.ids.tolist()
    np.testing.assert_allclose(kept.logits, logits.numpy(), atol=1e-4)


def test_the_choice_stands_in_the_result(run):
    rows = json.loads((run / "result.json").read_text())
    chosen = [name for name, row in rows.items() if isinstance(row, dict) and row.get("chosen")]
    assert len(chosen) == 1
    assert rows["test/accuracy"]["value"] == pytest.approx(rows[chosen[0]]["value"])


def test_the_quick_settings_print_their_table(tmp_path, capsys):
    command = ["cotrain", "--config", "configs/cotrain/quick.yaml", "--epochs", "1", "--method.rounds.number", "1"]
    assert train.main([*command, "--device", "cpu", "--out", str(tmp_path / "few")]) == 0
    out = capsys.readouterr().out
    assert "selection  reporting  each view alone" in out
    for name in ("supervised", "cotrain", "mpl", "mct"):
        assert f"algorithm/{name}" in out
        assert f"\n{name} " in out
    assert "pixels:left and pixels:right agree on" in out


def test_what_is_refused_late_leaves_nothing(tmp_path):
    """An encoder is looked for when the folder is already the run's; no batch was trained, so it is taken away."""
    given = [one.replace("pixels:right", "encoder:dinov3") for one in COMMON]
    command = [*given, "--algorithm", "supervised", "--out", str(tmp_path / "few")]
    with pytest.raises(InputError, match="Did you mean 'dinov2'"):
        train.main(command)
    assert not (tmp_path / "few").exists()
