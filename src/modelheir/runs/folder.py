"""The run folder: only this file and ``stage`` know what a run's files are called. docs/run_folder.md tells users.

::

    config.yaml  environment.json  status.json  result.json  metrics.jsonl  metrics.csv
    model.json  weights.safetensors  predictions/<split>.parquet
    stages/<nn>_<name>/  weights.safetensors  result.json  predictions/  checkpoints/
                         resume.safetensors  best.safetensors  (only while the stage is unfinished)
"""

from __future__ import annotations

import contextlib
import datetime
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelheir.checks import InputError
from modelheir.runs.files import read_mapping, write_json
from modelheir.runs.lock import has_died, locked, this_process
from modelheir.runs.stage import StageFolder

__all__ = ["VERSION", "RunFolder", "owner_of"]

VERSION = 1  #: of the layout; a reader refuses a newer one

_STATES = ("running", "finished", "failed", "interrupted")
_LOCK = ".lock"
_PART = re.compile(r"\..+\.\d+\.part")  #: what ``replace_file`` calls a file that is being written
_STARTED = ("config.yaml", "environment.json", "status.json", "metrics.jsonl", "metrics.csv", "trackers.json", _LOCK)
_FOLDERS = ("stages", "predictions", "tensorboard", "wandb", "mlruns")
_BESIDE = ("pilot", "pilot.json")  #: what a pilot leaves for the run that comes after it
_OWN = (*_STARTED, "result.json", "model.json", "weights.safetensors")


class RunFolder:
    """Files of one run."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._made = self._fresh = False

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
        """The final model's weights; those of all modules, keys ``<module>/<parameter>``, where none is the model."""
        return self.path / "weights.safetensors"

    @property
    def without_model(self) -> bool:
        """Whether the run is finished and has no single model: what it publishes is said by several modules together.

        Raises:
            InputError: If its status is damaged.
        """
        found = self.status()
        files = found.get("files")
        return found.get("state") == "finished" and isinstance(files, dict) and self.model.name not in files

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

    def stages(self) -> list[StageFolder]:
        """Return the folders of all stages that were begun, in order."""
        found = sorted((self.path / "stages").glob("[0-9]*_*"))
        return [StageFolder(path, path.name.partition("_")[2]) for path in found]

    def stage_named(self, name: str) -> StageFolder:
        """Return the folder of a finished stage.

        Raises:
            InputError: If there is no such stage, or it is not finished.
        """
        known = {one.name: one for one in self.stages()}
        if name not in known:
            raise InputError(f"{self.path} has no stage {name!r}; it has: {', '.join(known) or 'none'}.")
        place = known[name]
        if not place.finished:
            raise InputError(f"stage {name!r} of {self.path} is not finished.")
        return place

    def set_status(self, state: str, **about: Any) -> None:
        """Say where the run is: ``running``, ``finished``, ``failed`` or ``interrupted``."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        held = {"process": this_process()} if state == "running" else {}
        write_json(self._status, {"version": VERSION, "state": state, "time": now, **held, **about})

    def status(self) -> dict[str, Any]:
        """Return what :meth:`set_status` wrote last, or an empty dict.

        A run whose process has died since, on this machine, is ``interrupted``.

        Raises:
            InputError: If the folder was written by a newer version of the layout.
        """
        if not self._status.is_file():
            return {}
        advice = f'Restore it; or, if {self.path} holds a run, write {{"version": 1, "state": "failed"}} there'
        found = read_mapping(self._status, advice)
        version = found.get("version")
        if isinstance(version, int) and version > VERSION:
            raise InputError(f"{self.path} has layout version {version}; this modelheir reads up to {VERSION}.")
        if not isinstance(version, int) or found.get("state") not in _STATES:
            raise InputError(f"{self._status} is damaged, or no run's: it does not say where a run is. {advice}.")
        if found["state"] == "running" and has_died(found.get("process")):
            return {**found, "state": "interrupted"}
        return found

    def settle(self) -> None:
        """Write down that a run was interrupted whose process has died, for who reads the file itself."""
        found = self.status()
        if found.get("state") == "interrupted" and "process" in found:
            self.set_status("interrupted")

    def accept(self) -> None:
        """Refuse a place where a run would do harm: a file, or a folder with files that no run wrote.

        Raises:
            InputError: If it is one, or cannot be looked at, such as a name that is too long.
        """
        try:
            if self.path.exists() and not self.path.is_dir():
                raise InputError(f"{self.path} is a file: give a folder as --out.")
            there = self._there()
        except OSError as error:
            raise InputError(
                f"cannot use {self.path} as a run folder: {error.strerror}. Give another --out."
            ) from error
        if there and not self.status():
            some = ", ".join(map(repr, there[:3])) + (", ..." if len(there) > 3 else "")
            raise InputError(f"{self.path} is not empty and not a run folder ({some}): give another --out.")

    def owns(self, path: Path) -> bool:
        """Tell whether ``path`` is, or would be, a file of the run that this folder holds, if it holds one."""
        inside, here = path.resolve(), self.path.resolve()
        if inside == here or not inside.is_relative_to(here):
            return False
        first, *rest = inside.relative_to(here).parts
        if first not in (_FOLDERS if rest else (*_OWN, *_FOLDERS)):
            return False
        try:
            return bool(self.status())
        except InputError:  # damaged, or another program's
            return (here / "stages").is_dir()
        except OSError:  # a name that cannot be
            return False

    def _there(self) -> list[str]:
        """Return the names in the folder that no lock, killed writer or pilot left."""
        if not self.path.exists():
            return []
        names = sorted(path.name for path in self.path.iterdir())
        return [name for name in names if name not in (_LOCK, *_BESIDE) and not _PART.fullmatch(name)]

    @property
    def begun(self) -> bool:
        """Whether a stage has left anything; until then the settings may change."""
        return any(path.is_file() for path in (self.path / "stages").rglob("*"))

    @property
    def fresh(self) -> bool:
        """Whether the folder was empty or not there when it was locked, so that all its run's files are of this run."""
        return self._fresh

    def clear(self) -> None:
        """Remove what this run wrote before it trained, and the folder if it made it and nothing else is in it.

        Raises:
            ValueError: If a stage has begun, or the folder held something before it was locked.
        """
        if self.begun or not self.fresh:
            raise ValueError(f"{self.path} holds more than what this run wrote before it trained")
        for name in _STARTED:
            (self.path / name).unlink(missing_ok=True)
        for name in _FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)
        if self._made:
            with contextlib.suppress(OSError):  # not empty, or in use: then it stays
                self.path.rmdir()

    @property
    def _status(self) -> Path:
        return self.path / "status.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one writer, and remove what a killed one left half done.

        Raises:
            InputError: If another process is writing here, or the folder cannot be written.
        """
        with contextlib.ExitStack() as held:
            try:
                self._made = not self.path.exists()
                self.path.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(self.path / _LOCK))
                self._fresh = not self._there()
                for left in self.path.rglob(".*.part"):  # nobody else writes here now
                    if _PART.fullmatch(left.name):
                        left.unlink(missing_ok=True)
                for stage in (self.path / "stages").glob("*"):
                    StageFolder(stage, stage.name).tidy()
            except BlockingIOError as error:
                raise InputError(
                    f"{self.path} is being written by another run: wait for it, or give another --out."
                ) from error
            except OSError as error:
                raise InputError(
                    f"cannot write the run folder {self.path}: {error.strerror}. Give another --out."
                ) from error
            yield


def owner_of(path: Path) -> Path | None:
    """Return the run folder that ``path`` is, or would be, a file of, following links; or ``None``."""
    return next((folder for folder in path.resolve().parents if RunFolder(folder).owns(path)), None)
