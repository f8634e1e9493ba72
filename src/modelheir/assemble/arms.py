"""Train the arms of a paired experiment: the same seeds, the same data, one method or setting apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelheir.assemble.training import train
from modelheir.checks import InputError
from modelheir.config.mapping import from_mapping
from modelheir.config.run import TrainConfig
from modelheir.methods import METHODS
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions

__all__ = ["Arm", "pairs", "train_arms"]


@dataclasses.dataclass(frozen=True)
class Arm:
    """One line of the table."""

    name: str
    method: str = "finetune"
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: as in a config file, dotted keys allowed
    old: str = ""  #: name of the arm that is the old model; "" for the old models themselves
    teaches: bool = True  #: whether the old arm is given to the method as ``--old``


def train_arms(
    arms: Sequence[Arm],
    base: Mapping[str, Any],
    *,
    seeds: Sequence[int],
    out: Path | str,
    watch: Callable[[str, int, int, int], None] | None = None,
    command: Sequence[str] = (),
) -> dict[str, dict[int, Path]]:
    """Train every arm with every seed and return the run folders; finished ones are not trained again.

    Args:
        arms: In an order in which old arms come before those that need them.
        base: Settings of all arms.
        seeds: Each is used for every arm.
        out: Folder of the runs, ``<out>/seed<k>/<arm>``.
        watch: Called with arm, seed, number of runs done and of all before each training.
        command: What was typed, for the provenance of every run.
    """
    folders: dict[str, dict[int, Path]] = {arm.name: {} for arm in arms}
    total = len(arms) * len(seeds)
    for seed in seeds:
        for arm in arms:
            if watch:
                watch(arm.name, seed, sum(map(len, folders.values())), total)
            old = folders[arm.old][seed] if arm.old and arm.teaches else None
            folders[arm.name][seed] = _train(arm, base, seed, Path(out) / f"seed{seed}" / arm.name, old, command)
    return folders


def _train(arm: Arm, base: Mapping[str, Any], seed: int, out: Path, old: Path | None, command: Sequence[str]) -> Path:
    given = {**base, **arm.settings, "out": str(out), "seed": seed, "quiet": True}
    if old is not None:
        given["old"] = [f"run:{old}"]
    own = {key.removeprefix("method."): value for key, value in given.items() if key.startswith("method.")}
    rest = {key: value for key, value in given.items() if not key.startswith("method.")}
    config = from_mapping(TrainConfig, rest, source=f"arm {arm.name}")
    settings = from_mapping(METHODS[arm.method].config, own, where="", source=f"arm {arm.name}")
    return train(arm.method, config, settings, command=command)


def pairs(
    folders: Mapping[str, Mapping[int, Path]], arms: Sequence[Arm], split: str = "test"
) -> dict[str, dict[int, Any]]:
    """Return arm -> seed -> (old predictions, new predictions) for every arm that has an old one."""

    def predictions(arm: str, seed: int) -> Any:
        path = RunFolder(folders[arm][seed]).predictions(split)
        if not path.is_file():
            raise InputError(f"{path} is missing: did the run {folders[arm][seed]} finish?")
        return read_predictions(path)

    return {
        arm.name: {seed: (predictions(arm.old, seed), predictions(arm.name, seed)) for seed in folders[arm.name]}
        for arm in arms
        if arm.old
    }
