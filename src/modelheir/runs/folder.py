"""The run folder: the only code that knows what a run's files are called. docs/run_folder.md tells it to users.

::

    config.yaml  environment.json  status.json  result.json  metrics.jsonl  metrics.csv
    model.json  weights.safetensors  predictions/<split>.parquet
    stages/<nn>_<name>/  weights.safetensors  result.json  predictions/  checkpoints/
                         resume.safetensors  best.safetensors  (only while the stage is unfinished)
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from modelheir.checks import InputError
from modelheir.runs.files import read_json, write_json
from modelheir.types import Snapshot, StageResult

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["VERSION", "RunFolder", "StageFolder"]

VERSION = 1  #: of the layout; a reader refuses a newer one


class StageFolder:
    """Files of one stage."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name

    @property
    def weights(self) -> Path:
        """The kept weights of every module, keys ``<module>/<parameter>``."""
        return self.path / "weights.safetensors"

    @property
    def resume(self) -> Path:
        """Everything a run needs to go on; removed when the stage is finished."""
        return self.path / "resume.safetensors"

    @property
    def best(self) -> Path:
        """The best weights so far on the selection split; removed when the stage is finished."""
        return self.path / "best.safetensors"

    @property
    def summary(self) -> Path:
        """Metrics of the kept weights and the model's description; written last."""
        return self.path / "result.json"

    def predictions(self, split: str) -> Path:
        """Predictions of the kept weights on a split."""
        return self.path / "predictions" / f"{split}.parquet"

    def checkpoint(self, epoch: int) -> Path:
        """Folder of a checkpoint that is kept for good; ``epoch`` counts finished epochs, 0 is the start."""
        return self.path / "checkpoints" / f"epoch_{epoch:04d}"

    def snapshot(self, step: int) -> Path:
        """Weights after ``step`` steps, taken along the training."""
        return self.path / "snapshots" / f"step_{step:08d}.safetensors"

    def snapshots(self) -> list[tuple[int, Path]]:
        """Return the steps and files of all snapshots, in order."""
        return sorted((int(path.stem[5:]), path) for path in (self.path / "snapshots").glob("step_*.safetensors"))

    @property
    def finished(self) -> bool:
        """Whether the stage's result is there; it is written last."""
        return self.summary.is_file()

    def finish(self, metrics: Mapping[str, float], describe: Mapping[str, Any], publish: str = "model") -> None:
        """Write the stage's result, with the name of the module that is its model; drop what it needs no longer."""
        write_json(self.summary, {"metrics": metrics, "describe": describe, "publish": publish})
        self.resume.unlink(missing_ok=True)
        self.best.unlink(missing_ok=True)

    def result(self) -> StageResult:
        """Read a finished stage back."""
        found = read_json(self.summary)

        def weights(module: str = "model") -> dict[str, Tensor]:
            return of_file(self.weights, module)

        def of_file(path: Path, module: str = "model") -> dict[str, Tensor]:
            from modelheir.runs.tensors import load_weights

            flat, prefix = load_weights(path), f"{module}/"
            state = {key.removeprefix(prefix): value for key, value in flat.items() if key.startswith(prefix)}
            if not state:
                names = sorted({key.split("/")[0] for key in flat})
                raise InputError(f"{path} holds no module {module!r}, only {', '.join(names)}.")
            return state

        def snapshots() -> list[Snapshot]:
            return [Snapshot(step, path, functools.partial(of_file, path)) for step, path in self.snapshots()]

        about, publish = found.get("describe", {}), found.get("publish", "model")
        return StageResult(self.name, self.path, found["metrics"], weights, about, publish, snapshots)


class RunFolder:
    """Files of one run."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def config(self) -> Path:
        """The resolved settings; training from this file repeats the run."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, commit, device, seeds, data fingerprint, command."""
        return self.path / "environment.json"

    @property
    def model(self) -> Path:
        """What the model is, enough to build it again."""
        return self.path / "model.json"

    @property
    def weights(self) -> Path:
        """The final model's weights."""
        return self.path / "weights.safetensors"

    @property
    def result(self) -> Path:
        """Final metrics: value, unit, direction, count, interval."""
        return self.path / "result.json"

    @property
    def metrics(self) -> Path:
        """One JSON line an epoch."""
        return self.path / "metrics.jsonl"

    def predictions(self, split: str) -> Path:
        """The final model's predictions on a split."""
        return self.path / "predictions" / f"{split}.parquet"

    def stage(self, number: int, name: str) -> StageFolder:
        """Return the folder of stage ``number`` (from 0)."""
        return StageFolder(self.path / "stages" / f"{number:02d}_{name}", name)

    def set_status(self, state: str, **about: Any) -> None:
        """Say where the run is: ``running``, ``finished``, ``failed`` or ``interrupted``."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        write_json(self._status, {"version": VERSION, "state": state, "time": now, **about})

    def status(self) -> dict[str, Any]:
        """Return what :meth:`set_status` wrote last, or an empty dict.

        Raises:
            InputError: If the folder was written by a newer version of the layout.
        """
        if not self._status.is_file():
            return {}
        found = read_json(self._status)
        if found.get("version", 0) > VERSION:
            raise InputError(
                f"{self.path} has layout version {found['version']}; this modelheir reads up to {VERSION}."
            )
        return found

    @property
    def begun(self) -> bool:
        """Whether a stage has left anything; until then the settings may change."""
        return any(path.is_file() for path in (self.path / "stages").rglob("*"))

    def clear(self) -> None:
        """Remove what a run wrote that stopped before it trained, and the folder if nothing else is in it."""
        if self.begun:
            raise ValueError(f"{self.path} holds trained stages")
        table = self.metrics.with_suffix(".csv")
        for path in (self.config, self.environment, self.metrics, table, self._status, self.path / ".lock"):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty, or in use: then it stays
            self.path.rmdir()

    @property
    def _status(self) -> Path:
        return self.path / "status.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one writer; the lock dies with the process, so a killed run never blocks the next.

        Raises:
            InputError: If another process is writing here, or the folder cannot be written.
        """
        handle: IO[str] | None = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = (self.path / ".lock").open("a")
            _lock(handle)
            for left in self.path.rglob(".*.part"):  # a killed writer's; nobody else writes here now
                left.unlink(missing_ok=True)
        except BlockingIOError as error:
            _close(handle)
            raise InputError(
                f"{self.path} is being written by another run: wait for it, or give another --out."
            ) from error
        except OSError as error:
            _close(handle)
            raise InputError(
                f"cannot write the run folder {self.path}: {error.strerror}. Give another --out."
            ) from error
        try:
            yield
        finally:
            handle.close()


def _close(handle: IO[str] | None) -> None:
    if handle is not None:
        handle.close()


def _lock(handle: IO[str]) -> None:
    if os.name == "nt":
        import msvcrt

        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError as error:
            raise BlockingIOError from error
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
