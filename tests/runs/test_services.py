"""TensorBoard, W&B and MLflow for real, in files, without a network."""

import importlib

import pytest

from modelheir.checks import InputError
from modelheir.runs import services
from modelheir.runs.trackers import Trackers

ROWS = [
    {"stage": "main", "epoch": e, "step": 4 * (e + 1), "loss": 1 / (e + 1), "loss/task": 0.25, "val/accuracy": 0.5}
    for e in range(3)
]


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_tensorboard(tmp_path):
    with Trackers(("tensorboard",), tmp_path, {"seed": 0}) as log:
        for row in ROWS:
            log.write(row)
    with Trackers(("tensorboard",), tmp_path) as log:  # resumed: the last epoch is done again
        log.rewind("main", 2)
        log.write({**ROWS[2], "loss": 0.125})
    events = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    found = events.EventAccumulator(str(tmp_path / "tensorboard" / "main")).Reload().Scalars("loss")
    assert [(point.step, point.value) for point in found] == [(4, 1.0), (8, 0.5), (12, 0.125)]


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_mlflow_in_files(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for part in (ROWS[:2], ROWS[2:]):  # the second one resumes the same run
        with Trackers(("mlflow",), tmp_path, {"seeds": {"seed": 7}}) as log:
            for row in part:
                log.write(row)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(tmp_path / "mlruns").absolute().as_uri())
    experiment = client.get_experiment_by_name("modelheir").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.data.params["seeds.seed"] == "7"
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "main.loss")
    assert "main.loss.task" in run.data.metrics
    assert [(point.step, point.value) for point in history] == [(4, 1.0), (8, 0.5), (12, pytest.approx(1 / 3))]


@pytest.mark.extras
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with Trackers(("wandb",), tmp_path, {"seed": 0}) as log:
        for row in ROWS:
            log.write(row)
        summary = dict(log.services[0].run.summary)
    assert summary["main/loss"] == pytest.approx(1 / 3)
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))


@pytest.mark.parametrize("name", sorted(services.SERVICES))
def test_a_missing_package_names_the_extra(name, tmp_path, monkeypatch):
    def missing(module):
        raise ImportError(module)

    monkeypatch.setattr(services.importlib, "import_module", missing)
    with pytest.raises(InputError, match=rf"{name}.*pip install 'modelheir\[track\]'"):
        Trackers((name,), tmp_path)
