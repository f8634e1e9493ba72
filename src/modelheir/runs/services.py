"""TensorBoard, Weights & Biases and MLflow behind one small interface. Each is imported when it is asked for.

A service gets every number of a row under ``<stage>/<name>``. Which run of the service belongs to a folder is kept in
``trackers.json``, so that a resumed run goes on where it was. Nothing is sent anywhere unless the service's own
settings (``WANDB_MODE``, ``MLFLOW_TRACKING_URI``) say so: MLflow writes below the run folder by default.
"""

from __future__ import annotations

import importlib
import re
import secrets
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from modelheir.checks import InputError
from modelheir.runs.files import read_mapping, write_json

__all__ = ["SERVICES", "MLflow", "Service", "TensorBoard", "WandB"]


class Service(Protocol):
    """One place that shows numbers."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None: ...

    def write(self, row: Mapping[str, Any]) -> None:
        """Send one row."""
        ...

    def rewind(self, stage: str, step: int | None) -> None:
        """Forget the rows of ``stage`` from optimiser step ``step`` on, where the service can; ``None`` is nothing."""
        ...

    def close(self, *, failed: bool) -> None:
        """Send what is left and end."""
        ...


def _load(module: str, name: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"tracker {name!r} is not installed: pip install 'modelheir[track]'.") from error


def _kept(folder: Path, name: str, value: str | None = None) -> str | None:
    """Read, or write, which run of a service belongs to this folder."""
    path = folder / "trackers.json"
    known = read_mapping(path, "Restore it, or remove it to start new runs of the services") if path.is_file() else {}
    if value is not None:
        write_json(path, {**known, name: value})
        return value
    return known.get(name)


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    stage = row.get("stage")
    prefix = f"{stage}/" if stage else ""
    return {
        f"{prefix}{key}": float(value)
        for key, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


class TensorBoard:
    """Event files in ``<run>/tensorboard/<stage>``; a resumed stage purges what it writes again."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        _load("tensorboard", "tensorboard")
        self.make = _load("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self.folder, self.writers = folder / "tensorboard", dict[str, Any]()
        self.purge: dict[str, int | None] = {}

    def write(self, row: Mapping[str, Any]) -> None:
        """Write every number at the row's step."""
        stage, step = str(row.get("stage", "run")), int(row.get("step", row.get("epoch", 0)))
        if stage not in self.writers:
            self.writers[stage] = self.make(str(self.folder / stage), purge_step=self.purge.pop(stage, None))
        for name, value in row.items():
            if name not in ("stage", "step") and isinstance(value, int | float):
                self.writers[stage].add_scalar(name, value, step)
        self.writers[stage].flush()

    def rewind(self, stage: str, step: int | None) -> None:
        """Have the viewer drop the stage's points from ``step`` on."""
        if step is not None:
            if stage in self.writers:
                self.writers.pop(stage).close()
            self.purge[stage] = step

    def close(self, *, failed: bool) -> None:
        """Close the event files."""
        for writer in self.writers.values():
            writer.close()
        self.writers = {}


class WandB:
    """A run in project ``modelheir`` (or ``WANDB_PROJECT``); rows written again after a resume appear once more."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        import os

        wandb = _load("wandb", "wandb")
        number = _kept(folder, "wandb") or _kept(folder, "wandb", secrets.token_hex(4))
        try:
            self.run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "modelheir"),
                dir=str(folder),
                id=number,
                name=folder.name,
                resume="allow" if os.environ.get("WANDB_MODE", "online") == "online" else None,
                config=dict(about),
            )
        except (wandb.errors.Error, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"tracker 'wandb' did not start ({reason}): log in, or set WANDB_MODE=offline.") from error
        self.stages: set[str] = set()

    def write(self, row: Mapping[str, Any]) -> None:
        """Log every number; each stage has its own axis of epochs."""
        stage = str(row.get("stage", ""))
        if stage and stage not in self.stages:
            self.stages.add(stage)
            self.run.define_metric(f"{stage}/epoch")
            self.run.define_metric(f"{stage}/*", step_metric=f"{stage}/epoch")
        self.run.log(_numbers(row))

    def rewind(self, stage: str, step: int | None) -> None:
        """Keep what was sent: the service has no way back."""

    def close(self, *, failed: bool) -> None:
        """End the run."""
        self.run.finish(exit_code=int(failed))


class MLflow:
    """A run of experiment ``modelheir`` in ``MLFLOW_TRACKING_URI``, by default files in ``<run>/mlruns``."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        import os

        _load("mlflow", "mlflow")
        client = _load("mlflow.tracking", "mlflow")
        address = os.environ.get("MLFLOW_TRACKING_URI", "")
        if not address:
            address = (folder / "mlruns").absolute().as_uri()
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # newer versions ask for this word of consent
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of its own parts
                self.client = client.MlflowClient(tracking_uri=address)
                self.number = _kept(folder, "mlflow") or self._start(folder)
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"tracker 'mlflow' did not start at {address} ({reason}).") from error
        if _kept(folder, "mlflow") is None:
            _kept(folder, "mlflow", self.number)
            for key, value in _flat(about).items():
                self.client.log_param(self.number, _word(key), str(value)[:500])

    def _start(self, folder: Path) -> str:
        found = self.client.get_experiment_by_name("modelheir")
        experiment = found.experiment_id if found else self.client.create_experiment("modelheir")
        return self.client.create_run(experiment, run_name=folder.name).info.run_id

    def write(self, row: Mapping[str, Any]) -> None:
        """Log every number at the row's step."""
        step = int(row.get("step", row.get("epoch", 0)))
        for name, value in _numbers(row).items():
            self.client.log_metric(self.number, _word(name), value, step=step)

    def rewind(self, stage: str, step: int | None) -> None:
        """Keep what was sent: points at the same step are written again with the same values."""

    def close(self, *, failed: bool) -> None:
        """End the run."""
        self.client.set_terminated(self.number, status="FAILED" if failed else "FINISHED")


def _word(name: str) -> str:
    """Return a name that MLflow allows; dots for slashes, as ``loss`` and ``loss/task`` cannot both be files."""
    return re.sub(r"[^A-Za-z0-9_\-. ]", "_", name.replace("/", "."))


SERVICES: dict[str, type[Service]] = {"tensorboard": TensorBoard, "wandb": WandB, "mlflow": MLflow}
