"""The files of one stage of a run, below ``stages/<nn>_<name>`` of its folder."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import runs
from modelheir.checks import InputError
from modelheir.runs.files import read_mapping, write_json
from modelheir.types import Snapshot, StageResult

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StageFolder"]


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
    def members(self) -> Path:
        """Where the members of a grid are kept until the stage is finished."""
        return self.path / "members"

    def member(self, number: int) -> StageFolder:
        """Return the folder of member ``number`` of a grid, from 0."""
        return StageFolder(self.members / f"{number:02d}", f"{self.name}/{number}")

    def take_along(self, member: StageFolder) -> None:
        """Keep a member's checkpoints and snapshots as the stage's own."""
        for name in ("checkpoints", "snapshots"):
            if (member.path / name).is_dir():
                (member.path / name).replace(self.path / name)

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
        """Write the stage's result; drop what it needs no longer.

        Args:
            metrics: Of the kept weights.
            describe: JSON, kept with the result.
            publish: Name of the module that is the stage's model; "" where none is.
        """
        write_json(self.summary, {"metrics": metrics, "describe": describe, "publish": publish})
        self.tidy()

    def tidy(self) -> None:
        """Remove what a finished stage needs no longer; nothing of a stage that is to be gone on with."""
        if self.finished:
            self.resume.unlink(missing_ok=True)
            self.best.unlink(missing_ok=True)
            if self.members.is_dir():
                shutil.rmtree(self.members)

    def result(self) -> StageResult:
        """Read a finished stage back.

        Raises:
            InputError: If its result is damaged.
        """
        advice = "Delete it, and the same command trains this stage again"
        found = read_mapping(self.summary, advice)
        if not isinstance(found.get("metrics"), dict) or not isinstance(found.get("describe", {}), dict):
            raise InputError(f"{self.summary} is damaged: it is not the result of a stage. {advice}.")

        def weights(module: str = "model") -> dict[str, Tensor]:
            return of_file(self.weights, module)

        def of_file(path: Path, module: str = "model") -> dict[str, Tensor]:
            flat, prefix = runs.load_weights(path), f"{module}/"
            state = {key.removeprefix(prefix): value for key, value in flat.items() if key.startswith(prefix)}
            if not state:
                names = sorted({key.split("/")[0] for key in flat})
                raise InputError(f"{path} holds no module {module!r}, only {', '.join(names)}.")
            return state

        def snapshots() -> list[Snapshot]:
            return [Snapshot(step, path, functools.partial(of_file, path)) for step, path in self.snapshots()]

        about, publish = found.get("describe", {}), found.get("publish", "model")
        return StageResult(self.name, self.path, found["metrics"], weights, about, publish, snapshots)
