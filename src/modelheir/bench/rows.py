"""What the cells of a suite say: a row a strategy, network, sequence and seed, the missing ones among them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modelheir.bench.suite import METHOD
from modelheir.checks import InputError
from modelheir.config.mapping import read_yaml
from modelheir.methods import METHODS
from modelheir.runs.files import read_json
from modelheir.runs.folder import RunFolder

__all__ = ["Row", "read_rows"]

_DECAY = ("learning_rate_decay", "starting_learning_rate", "learning_rate_decay_factor")


@dataclasses.dataclass(frozen=True)
class Row:
    """One strategy of one cell."""

    sequence: str
    architecture: str
    seed: int
    strategy: str
    state: str  #: ``finished``, or what the cell's run is: ``running``, ``interrupted``, ``failed``, ``missing``
    accuracy: float | None = None  #: on the newest reporting images, a fraction
    selection: float | None = None  #: on the newest selection images
    images: int = 0  #: the reporting images
    steps: int = 0  #: of the sequence; 0 where its settings do not say
    setting: str = ""  #: that was taken, of those that were tried
    learning_rate_decay: str = ""  #: over the steps of a sequence: ``none``, ``linear``, ``exponential``
    starting_learning_rate: float | None = None  #: at its first step, where it falls
    learning_rate_decay_factor: float | None = None  #: linear: taken off a step; exponential: factor a step
    at_steps: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: how it fares at every step, where known


def read_rows(out: Path) -> list[Row]:
    """Read every cell that a suite has begun in ``out``, sorted by sequence, network, seed and strategy.

    Raises:
        InputError: If there is none.
    """
    places = sorted((out / "cells").glob("*/*/seed*.yaml"))
    if not places:
        raise InputError(f"{out} holds no cells of a benchmark: modelheir bench run seq-to-final --out {out}")
    return [row for place in places for row in _rows_of(place)]


def _rows_of(place: Path) -> Iterator[Row]:
    folder, settings = RunFolder(place.with_suffix("")), read_yaml(str(place))
    where = (place.parent.parent.name, place.parent.name, int(place.stem.removeprefix("seed")))
    state = folder.status().get("state", "missing")
    found: dict[str, Any] = read_json(folder.result) if state == "finished" else {}
    steps = _steps_of(settings, place.parents[3] / "sequences" / f"{where[0]}.yaml")
    for strategy in settings.get("method", {}).get("strategies") or METHODS[METHOD].config().strategies:
        one = found.get(f"strategy/{strategy}")
        if one is None:
            yield Row(*where, strategy, state if state != "finished" else "missing", steps=steps)
        else:
            yield Row(*where, strategy, "finished", one["value"], one["selection"], one["count"], steps, **_more(one))


def _more(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else a strategy's row of ``result.json`` says; a cell has one seed."""
    (setting,) = row.get("settings") or [{}]
    decay = {name: setting[name] for name in _DECAY if name in setting}
    told = ", ".join(f"{name} = {value}" for name, value in setting.items())
    return {"setting": told, **decay, "at_steps": row.get("steps", {})}


def _steps_of(settings: Mapping[str, Any], described: Path) -> int:
    """Return how many steps a cell's settings, or the file that describes its sequence, say that there are."""
    own = settings.get("method", {})
    if own.get("history") or own.get("steps"):
        return len(own["history"]) + 1 if own.get("history") else int(own["steps"])
    found = read_yaml(str(described)) if described.is_file() else {}
    if found.get("shifts"):
        return str(found["shifts"]).count(":") + 2  # and the source
    data = found.get("data")
    return len(data) if isinstance(data, list) else int(found.get("steps") or 0)
