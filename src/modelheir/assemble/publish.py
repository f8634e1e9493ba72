"""What a finished run shows: its last stage's model and predictions, with counts and intervals.

Where the predictions are those of several modules together, there is no model: the weights of all are shown instead.
"""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import runs
from modelheir.metrics.statistics.intervals import exact
from modelheir.runs.files import replace_file, write_json
from modelheir.runs.predictions import read_predictions
from modelheir.runs.stage import StageFolder

if TYPE_CHECKING:
    from modelheir.runs.folder import RunFolder
    from modelheir.types import StageResult

__all__ = ["publish"]


def publish(folder: RunFolder, last: StageResult) -> None:
    """Copy the last stage's model and predictions to where a reader looks first, each file whole or not at all."""
    if last.publish:
        write_json(folder.model, last.describe["model"])
        runs.save_weights(folder.weights, last.weights(last.publish))
    else:
        replace_file(folder.weights, functools.partial(_copy, StageFolder(last.folder, last.name).weights))
    rows: dict[str, Any] = {}
    for source in sorted((last.folder / "predictions").glob("*.parquet")):
        target = folder.predictions(source.stem)
        replace_file(target, functools.partial(_copy, source))
        found = read_predictions(target)
        known = found.label >= 0
        count = int(known.sum())
        shares = {"accuracy": float((found.prediction == found.label)[known].mean())} if count else {}
        if f"{source.stem}/top5" in last.metrics:
            shares["top5"] = last.metrics[f"{source.stem}/top5"]
        for name, share in shares.items():
            rows[f"{source.stem}/{name}"] = {
                "value": share,
                "unit": "fraction",
                "direction": "higher is better",
                "count": count,
                "interval": exact(round(share * count), count),
                "confidence": 0.95,
            }
    losses = {key: value for key, value in last.metrics.items() if key.endswith("/loss")}
    for key, value in losses.items():
        rows[key] = {"value": value, "unit": "nats", "direction": "lower is better"}
    write_json(folder.result, {**rows, **last.describe.get("rows", {})})


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
