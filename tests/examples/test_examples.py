"""Every example runs as a person would run it, and prints what it promises."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted(Path(__file__).parents[2].joinpath("examples").glob("*.py"))
FURTHER = {
    "detector",
    "distill_pretrained",
    "transfer",
    "views_without_labels",
}  #: what a trained model is good for besides, and what it can come from
SLOW = {"distill_pretrained"}
FLAGS = {"views_without_labels": ["--images", "256", "--epochs", "1", "--device", "cpu", "--out"]}  #: before the folder
PROMISES = {
    "finetune": ["test images right", "least sure"],
    "upgrade": ["plain: error", "focal distillation: error", "gate"],
    "elodi": ["NFR", "ensemble of 2: error"],
    "bct": ["old classifier on compatible features"],
    "interpolate": ["<- chosen", "on the test split"],
    "self_distill": ["finetune: churn", "self_distill: churn"],
    "detector": ["step 60: loss", "the surest box overlaps the square by an IoU of 0."],
    "transfer": ["of the selection split right with (1.0, 1.0, 1.0)", "test images right"],
    "fixmatch": ["labels alone: error", "with images without labels: error"],
    "pseudo_label": ["labels alone: error", "with images without labels: error"],
    "mutual": ["alone: error", "with a peer: error"],
    "adapt": ["strategy/erm_fine_tune: ", "Use erm_"],
    "cotrain": ["algorithm/mct: ", "Use ", "the run is a classifier of images"],
    "distill": ["labels alone: accuracy", "teacher and pool: accuracy"],
    "subspace": ["way/psgd: ", "more passes", "Use "],
    "views_without_labels": ["modelheir embed --data digits --encoder file:", "modelheir train cotrain --data digits"],
    "distill_pretrained": ["labels alone: accuracy", "teacher and pool: accuracy"],
}


def test_there_is_one_for_every_method():
    from modelheir.methods import METHODS

    assert {path.stem for path in EXAMPLES} == set(PROMISES) == set(METHODS) | FURTHER


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem in SLOW else ()) for path in EXAMPLES],
)
def test_example(path, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(path), *FLAGS.get(path.stem, []), str(tmp_path)])
    runpy.run_path(str(path), run_name="__main__")
    text = capsys.readouterr().out
    assert all(promise in text for promise in PROMISES[path.stem])
