"""A suite: which sequences, networks and seeds are crossed, and the settings of each cell."""

from __future__ import annotations

import dataclasses
import importlib.resources
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelheir import checks
from modelheir.checks import InputError
from modelheir.config.mapping import flatten, from_mapping, read_yaml
from modelheir.config.run import TrainConfig
from modelheir.methods import METHODS

__all__ = ["ORACLE", "SUITES", "Cell", "read_suite"]

METHOD = "adapt"  #: what every cell trains
SUITES = ("quick", "published", "compat")  #: that come with the package
ORACLE = "_oracle"  #: ends the name of the sequence whose newest step has plenty of images
_AXES = ("settings", "sequences", "architectures", "seeds")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training of all strategies: a sequence, a network and a seed."""

    sequence: str
    architecture: str
    seed: int
    settings: Mapping[str, Any]  #: dotted, of ``train adapt``
    history: Mapping[str, Any] | None = None  #: of a file that ``--data sequence:`` reads, which the suite writes

    @property
    def name(self) -> str:
        """Where it lies below the suite's folder."""
        return f"{self.sequence}/{self.architecture}/seed{self.seed}"


def read_suite(spec: str) -> list[Cell]:
    """Read a suite and return its cells, seed by seed, so that an interrupted one has every sequence.

    Args:
        spec: A name of :data:`SUITES`, or a YAML file with ``settings`` of ``train adapt`` that all cells share,
            ``sequences`` and ``architectures`` (name -> settings of its own, which win), and ``seeds``. In a sequence,
            ``sequence`` holds what a file of ``--data sequence:FILE`` would; each seed then draws its own images.
            ``oracle`` beside it is how many images the newest step has for the oracle, a sequence of its own that
            ends in :data:`ORACLE`, on which ``erm_final`` alone is trained.

    Raises:
        InputError: If there is no such suite, or something in it is unknown or not allowed.
    """
    if spec in SUITES:
        with importlib.resources.as_file(importlib.resources.files("modelheir.bench.suites") / f"{spec}.yaml") as path:
            return _cells(read_yaml(str(path)), spec)
    if not Path(spec).is_file():
        raise InputError(
            f"--suite {spec}: there is no such file, nor a suite of that name.{checks.nearest(spec, SUITES)} "
            f"Known: {', '.join(SUITES)}."
        )
    return _cells(read_yaml(spec), spec)


def _cells(given: Mapping[str, Any], spec: str) -> list[Cell]:
    for key in given:
        if key not in _AXES:
            raise InputError(
                f"{spec}: unknown part {key!r}.{checks.nearest(str(key), _AXES)} Known: {', '.join(_AXES)}."
            )
    shared = _settings(given.get("settings"), f"{spec}: settings")
    axes = {}
    for axis in ("sequences", "architectures"):
        found = given.get(axis) or {}
        if not isinstance(found, Mapping) or not found:
            raise InputError(f"{spec}: {axis} needs at least one name with its settings.")
        for name in found:
            if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", str(name)):
                raise InputError(f"{spec}: {axis}: {name!r} is a folder's name too: letters, digits, _, - and . alone.")
        axes[axis] = {str(name): own for name, own in found.items()}
    oracles = _oracles(axes["sequences"], f"{spec}: sequences")
    axes["sequences"] |= oracles
    histories = {name: _history(own, f"{spec}: sequences: {name}") for name, own in axes["sequences"].items()}
    for axis, found in axes.items():
        axes[axis] = {name: _settings(own, f"{spec}: {axis}: {name}") for name, own in found.items()}
    seeds = given.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or len(set(map(str, seeds))) < len(seeds):
        raise InputError(f"{spec}: seeds = {seeds!r}: must be a list of different numbers.")
    if not all(isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 for seed in seeds):
        raise InputError(f"{spec}: seeds = {seeds!r}: must be whole numbers, at least 0.")
    cells = [
        Cell(
            sequence,
            network,
            seed,
            {"method.seeds": 1, **shared, **by_sequence, **by_network, "seed": seed},
            histories[sequence],
        )
        for seed in seeds
        for sequence, by_sequence in axes["sequences"].items()
        for network, by_network in axes["architectures"].items()
    ]
    cells = [_of_oracle(cell, spec) if cell.sequence in oracles else cell for cell in cells]
    for cell in cells:
        _accept(cell, spec)
    return cells


def _of_oracle(cell: Cell, spec: str) -> Cell:
    """Return a cell that trains on the newest step alone, without the settings that this does not read."""
    settings = {**cell.settings, "method.strategies": ("erm_final",)}
    unread = _method_of(settings, spec).unread()
    kept = {key: value for key, value in settings.items() if key.removeprefix("method.").split(".")[0] not in unread}
    return dataclasses.replace(cell, settings=kept)


def _method_of(settings: Mapping[str, Any], spec: str) -> Any:
    own = {key.removeprefix("method."): value for key, value in settings.items() if key.startswith("method.")}
    return from_mapping(METHODS[METHOD].config, own, where="method", source=spec)


def _oracles(sequences: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the sequences of the oracles that are asked for."""
    found: dict[str, Any] = {}
    for name, own in sequences.items():
        if not isinstance(own, Mapping) or "oracle" not in own:
            continue
        images, about = own["oracle"], own.get("sequence")
        about = about if isinstance(about, Mapping) else {}
        sizes = about.get("sizes")
        if not isinstance(sizes, list) or not sizes:
            raise InputError(f"{where}: {name}: oracle needs a sequence with sizes, of which it replaces the last.")
        if not isinstance(images, int) or isinstance(images, bool) or images <= sizes[-1]:
            raise InputError(f"{where}: {name}: oracle = {images!r}: must be a number of images above {sizes[-1]}.")
        if f"{name}{ORACLE}" in sequences:
            raise InputError(f"{where}: {name}{ORACLE} is the name of the oracle of {name}: give it another.")
        found[f"{name}{ORACLE}"] = {**own, "sequence": {**about, "sizes": [*sizes[:-1], images]}}
    return found


def _history(own: Any, where: str) -> Mapping[str, Any] | None:
    """Return what describes a sequence of a suite."""
    found = own.get("sequence") if isinstance(own, Mapping) else None
    if found is not None and (not isinstance(found, Mapping) or "seed" in found or "data" in own):
        raise InputError(
            f"{where}: sequence must hold data, shifts and sizes, without seed, and stands in the place of data."
        )
    return found


def _settings(given: Any, where: str) -> dict[str, Any]:
    """Return dotted settings of a part of a suite."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"{where}: must be settings with their values, got {given!r}.")
    own = {key: value for key, value in given.items() if key not in ("sequence", "oracle")}
    method = own.pop("method", None) or {}
    return {
        **flatten(TrainConfig, own, source=where),
        **flatten(METHODS[METHOD].config, method, where="method", source=where),
    }


def _accept(cell: Cell, spec: str) -> None:
    """Refuse what ``train`` would refuse, before the first cell."""
    for key in ("out", "quiet"):
        if key in cell.settings:
            raise InputError(f"{spec}: {key} is the suite's to choose: leave it out.")
    rest = {key: value for key, value in cell.settings.items() if not key.startswith("method.")}
    from_mapping(TrainConfig, rest, source=spec)
    _method_of(cell.settings, spec)
