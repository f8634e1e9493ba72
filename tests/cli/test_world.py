"""The real commands on a toy world: train, update, resume, repeat, predict, evaluate, report."""

import pytest

from modelheir.cli import main
from modelheir.runs.predictions import read_predictions

DATA = ["--data", "synthetic:n=120,classes=3,size=8"]
SMALL = [*DATA, "--epochs", "2", "--fit.batch_size", "32", "--device", "cpu", "--quiet"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with a first and a second version."""
    place = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(["train", "finetune", *SMALL, "--out", "v1"]) == 0
        assert main(["train", "upgrade", *SMALL, "--old", "run:v1", "--out", "v2", "--allow-weak-teacher"]) == 0
    return place


@pytest.fixture(autouse=True)
def _inside(world, monkeypatch):
    monkeypatch.chdir(world)


def test_the_same_command_resumes(world, capsys):
    before = (world / "v1" / "weights.safetensors").read_bytes()
    assert main(["train", "finetune", *SMALL, "--out", "v1"]) == 0
    assert (world / "v1" / "weights.safetensors").read_bytes() == before
    assert capsys.readouterr().out.startswith("Next: modelheir train upgrade --old run:v1")


def test_other_settings_do_not_overwrite(capsys):
    assert main(["train", "finetune", *SMALL, "--out", "v1", "--fit.lr", "0.02"]) == 2
    assert "v1 holds a run with fit.lr = 0.01" in capsys.readouterr().err


def test_the_saved_settings_repeat_the_run(world):
    assert main(["train", "--config", "v2/config.yaml", "--out", "again"]) == 0
    assert (world / "again" / "weights.safetensors").read_bytes() == (world / "v2" / "weights.safetensors").read_bytes()


def test_predict_is_what_training_wrote(world):
    assert main(["predict", "run:v2", "--out", "p.parquet", "--quiet", "--device", "cpu"]) == 0
    ours, theirs = (read_predictions(world / path) for path in ("p.parquet", "v2/predictions/test.parquet"))
    assert ours.sample_id.tolist() == theirs.sample_id.tolist()
    assert ours.logits == pytest.approx(theirs.logits, abs=1e-5)


def test_evaluate_and_report(world, capsys):
    assert main(["evaluate", "v1", "v2", *DATA, "--old", "v1", "--quiet", "--device", "cpu"]) == 0
    assert "NFR" in capsys.readouterr().out
    assert len(list((world / "runs" / "cache").glob("*.parquet"))) == 2
    assert main(["report", "v1", "v2", "--html", "page.html"]) == 0
    assert (world / "page.html").stat().st_size > 10_000


def test_a_missing_old_model(capsys):
    assert main(["train", "upgrade", *SMALL, "--out", "v3"]) == 2
    assert "needs --old" in capsys.readouterr().err
    assert main(["train", "upgrade", *SMALL, "--out", "v3", "--old", "run:nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
