"""What an average came to: every way on the selection images, and a few models on the reporting images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelheir.runs.folder import RunFolder

__all__ = ["Averaged", "result_rows"]

_FLIPS = {
    "nfr": ("fraction", "lower is better"),
    "pfr": ("fraction", "higher is better"),
    "accuracy_gain": ("fraction", "higher is better"),
}


@dataclasses.dataclass(frozen=True)
class Averaged:
    """What was tried and chosen. Rows are those of :func:`~modelheir.analysis.evaluation_row`, rates as fractions."""

    path: Path  #: the run folder
    chosen: str  #: the way
    of: int  #: models that there were
    in_time: bool  #: whether they were the snapshots of one training, from the oldest to the newest
    old: str  #: what flips are counted against
    ways: tuple[dict[str, Any], ...]  #: a row a way on the selection images, also ``loss`` (nats), ``members`` (names),
    #: ``of``, and ``as_averaged``: accuracy with averaged statistics of batch norm, ``None`` where none was estimated
    alone: tuple[dict[str, Any], ...]  #: the same of each model alone, in order
    best: str  #: the best model alone, by the selection images
    reported: tuple[dict[str, Any], ...]  #: on the reporting images: the old model, the best alone, the average
    said: str  #: the choice in words
    notes: tuple[str, ...] = ()  #: what a person should know

    @staticmethod
    def read(folder: RunFolder) -> Averaged:
        """Read what a finished average left in its run folder."""
        (place,) = (folder.path / "stages").glob("00_*")
        found = folder.stage_named(place.name.partition("_")[2]).result().describe["average"]
        lists = {key: tuple(value) for key, value in found.items() if isinstance(value, list)}
        return Averaged(path=folder.path, **{**found, **lists})


def result_rows(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what ``result.json`` says beside accuracy: flips on the reporting images, each way, and the choice.

    Args:
        table: The fields of :class:`Averaged` as JSON.
    """
    rows: dict[str, dict[str, Any]] = {}
    last = table["reported"][-1] if table["reported"] else {}
    for name, (unit, direction) in _FLIPS.items():
        if last.get(name) is not None:
            interval = last.get(f"{name}_interval")
            rows[f"test/{name}"] = {
                **{"value": last[name], "unit": unit, "direction": direction, "count": last["n"]},
                **({"interval": interval, "confidence": 0.95} if interval else {}),
                "old": table["old"],
            }
    for row in table["ways"]:
        rows[f"way/{row['model']}"] = {
            **{"value": row["accuracy"], "unit": "fraction", "direction": "higher is better", "count": row["n"]},
            **{"interval": row["accuracy_interval"], "confidence": 0.95, "split": "val"},
            **{name: row[name] for name in ("nfr", "pfr", "as_averaged", "members")},
            "chosen": row["model"] == table["chosen"],
        }
    rows["average"] = {
        "value": len(next(row for row in table["ways"] if row["model"] == table["chosen"])["members"]),
        "unit": "models",
        "direction": "chosen on the selection split",
        "count": table["ways"][0]["n"],
        "note": table["said"],
    }
    return rows
