"""The small runs of a pilot: two arms of one size and seed, each an ordinary run with changed settings."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import data
from modelheir.assemble.piloting.sizes import Size, Whole
from modelheir.assemble.training import train
from modelheir.methods import METHODS
from modelheir.metrics.outcomes import count_outcomes, outcomes
from modelheir.runs.files import read_json, replace_file
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.data import ImageSet
    from modelheir.methods.declared import PilotUse

__all__ = ["ARMS", "SmallRuns", "counts_of", "labels_of", "training_seconds"]

ARMS = ("with", "without")


@dataclasses.dataclass(frozen=True)
class SmallRuns:
    """What the small runs of one pilot share."""

    method: str
    config: TrainConfig  #: of the whole run, with nothing left open
    use: PilotUse
    whole: Whole
    pool: ImageSet | None  #: the images without labels; ``None`` where there are none
    folder: Path  #: holds the runs
    command: Sequence[str] = ()

    def place(self, size: Size, seed: int, arm: str) -> Path:
        """Return the run folder of an arm; ``seed`` counts from that of the run."""
        return self.folder / f"{size.images}_images" / f"seed{self.config.seed + seed}" / arm

    def train(self, size: Size, seed: int, arm: str, *, place: Path | None = None, epochs: int = 0) -> float:
        """Train an arm and return the seconds that it took; a finished one is not trained again.

        Args:
            size: Of the data.
            seed: Counts from that of the run.
            arm: One of :data:`ARMS`.
            place: Its folder, where it is not the usual one.
            epochs: Passes over its images, where only its speed is asked for.
        """
        began = time.monotonic()
        config, use = self._config(size, seed, arm, epochs, place or self.place(size, seed, arm)), self.use
        if arm == "with":
            changes: dict[str, Any] = {use.pool: self._pool_file(size)} if size.pool else {use.pool: ""}
            settings = dataclasses.replace(use.settings, **changes)
            if epochs and use.target_epochs:
                settings = dataclasses.replace(settings, target=dataclasses.replace(settings.target, epochs=0))
            train(self.method, config, settings, command=self.command)
        else:
            train(use.method, config, METHODS[use.method].config(**use.own), command=self.command)
        return time.monotonic() - began

    def _config(self, size: Size, seed: int, arm: str, epochs: int, place: Path) -> TrainConfig:
        fit, inputs = self.config.fit, self.config.inputs
        length = epochs or (fit.epochs if arm == "with" else self.whole.epochs_without(size))
        ratio = length / fit.epochs
        scaled = {name: getattr(fit, name) * ratio for name in ("warmup_epochs", "step_epochs") if getattr(fit, name)}
        looks = fit.keep == "best" or fit.patience or fit.stop_when_worse or fit.schedule == "plateau"
        fit = dataclasses.replace(
            fit,
            epochs=length,
            evaluate_every=max(1, round(fit.evaluate_every * ratio)) if looks else length,
            patience=round(fit.patience * ratio) if fit.patience else 0,
            checkpoint_every_epochs=0,
            save_every_epochs=0,
            save_features=False,
            **scaled,
        )
        share = inputs.train_fraction * size.labelled / self.whole.labelled
        if inputs.train_per_class:  # a share of what it leaves
            inputs = dataclasses.replace(
                inputs, train_per_class=max(1, round(inputs.train_per_class * size.labelled / self.whole.labelled))
            )
            share = inputs.train_fraction
        return dataclasses.replace(
            self.config,
            out=str(place),
            seed=self.config.seed + seed,
            init_seed=None if self.config.init_seed is None else self.config.init_seed + seed,
            data_seed=None if self.config.data_seed is None else self.config.data_seed + seed,
            trackers=(),
            quiet=True,
            fit=fit,
            inputs=dataclasses.replace(inputs, train_fraction=min(share, 1.0)),
        )

    def _pool_file(self, size: Size) -> str:
        """Write the first images of the pool, in an order that no file name decides, and return their address."""
        assert self.pool is not None
        path = self.folder / f"pool_{size.pool}.parquet"
        if not path.is_file():
            order = np.random.default_rng(self.config.inputs.split_seed).permutation(len(self.pool))
            chosen = self.pool.subset(np.argsort(self.pool.ids)[order[: size.pool]])
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, lambda part: _write_images(chosen, part))
        return f"parquet:{path}"


def _write_images(images: ImageSet, path: Path) -> None:
    """Write images without labels in the layout that ``parquet:`` reads, a thousand at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = {"info": {"features": {"label": {"names": list(images.classes)}}}}
    schema = pa.schema(
        {"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), "label": pa.int64()},
        metadata={"huggingface": json.dumps(names)},
    )
    with pq.ParquetWriter(path, schema) as file:
        for first in range(0, len(images), 1000):
            some = [str(one) for one in images.ids[first : first + 1000]]
            rows = [{"bytes": png, "path": name} for name, png in data.encode_png(images, some).items()]
            file.write_table(pa.table({"image": rows, "label": [-1] * len(rows)}, schema=schema))


def counts_of(places: Mapping[str, Path]) -> list[int]:
    """Return the outcome counts on the selection split: without (old) against with (new).

    Args:
        places: Arm -> run folder, finished.
    """
    found = {arm: read_predictions(RunFolder(place).predictions("val"), columns=()) for arm, place in places.items()}
    new, old = found["with"], found["without"]
    known = new.label >= 0
    codes = outcomes(old.prediction[known], new.prediction[known], new.label[known])
    return [int(count) for count in count_outcomes(codes)[0]]


def labels_of(place: Path) -> int:
    """Return how many labelled images a run had, which noted it."""
    return int(read_json(RunFolder(place).environment)["data"]["train"]["images"])


def training_seconds(place: Path, images: Mapping[str, int]) -> tuple[float, int]:
    """Return how long the steps of a run took at its last pace, and how many of them were the student's.

    Args:
        place: The run folder.
        images: Images a step by stage; ``""`` is every other stage, which trains no student.
    """
    rows = [json.loads(line) for line in RunFolder(place).metrics.read_text(encoding="utf-8").splitlines()]
    last = {row["stage"]: row["images_per_second"] for row in rows}  # the first epochs warm up
    seconds = sum(row["steps"] * images.get(row["stage"], images[""]) / last[row["stage"]] for row in rows)
    return seconds, sum(row["steps"] for row in rows if row["stage"] in images)
