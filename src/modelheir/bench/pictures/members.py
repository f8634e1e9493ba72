"""What was trained: the seeds of finished runs of ``adapt``, alone or as the cells of a benchmark."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelheir.bench.suite import METHOD, ORACLE
from modelheir.checks import InputError, nearest
from modelheir.config.mapping import read_yaml
from modelheir.runs.files import read_json
from modelheir.runs.folder import RunFolder
from modelheir.types import StageResult

__all__ = ["Member", "NothingToDraw", "grouped", "like", "oracle_of", "read_members"]

_ROW = "strategy/"


class NothingToDraw(InputError):
    """A run has nothing of the kind that is asked for; others that are asked for may have."""


@dataclasses.dataclass(frozen=True)
class Member:
    """One seed of one run."""

    folder: RunFolder
    sequence: str  #: of a benchmark, else what the run's folder is called
    network: str
    number: int  #: of the run's seeds, from 0
    seeds: int  #: of the run
    cell: int = 0  #: the seed of a benchmark's cell

    @property
    def title(self) -> str:
        """What a panel of it is called."""
        return f"{self.sequence}, {self.network}"

    @property
    def suffix(self) -> str:
        """The end of the names of its stages."""
        return f"_seed{self.number}" if self.seeds > 1 else ""

    @functools.cached_property
    def ends(self) -> dict[str, str]:
        """Strategy -> the stage whose model is its last."""
        return {name: row["stages"][self.number] for name, row in _rows(self.folder).items()}

    def end(self, strategy: str, why: str) -> StageResult:
        """Return the last stage of a strategy that a picture needs.

        Raises:
            NothingToDraw: If the run did not try it.
        """
        if strategy not in self.ends:
            raise NothingToDraw(
                f"{self.folder.path} did not try {strategy}, and {why}: train with it among --method.strategies."
            )
        return self.stage(self.ends[strategy])

    def stage(self, name: str) -> StageResult:
        """Return a finished stage."""
        return self.folder.stage_named(name).result()


def read_members(places: Sequence[str]) -> tuple[list[Member], list[str]]:
    """Read what runs hold, in order.

    Args:
        places: Run folders of ``train adapt``, with or without ``run:``, and folders of ``bench run``.

    Returns:
        The seeds of all finished runs, and the cells of benchmarks that are not finished.

    Raises:
        InputError: If a folder is neither, a run is not finished or another method's, or nothing is finished.
    """
    found: list[Member] = []
    lacking: list[str] = []
    for text in places:
        place = Path(text.removeprefix("run:"))
        cells = sorted((place / "cells").glob("*/*/seed*.yaml"))
        for cell in cells:
            folder = RunFolder(cell.with_suffix(""))
            if folder.status().get("state") != "finished":
                lacking.append(str(folder.path))
                continue
            sequence, network, seed = cell.parent.parent.name, cell.parent.name, cell.stem.removeprefix("seed")
            found += _members(folder, sequence, network, int(seed) if seed.isdecimal() else 0)
        if not cells:
            found += _members(RunFolder(place), _called(place, places), "")
    if not found:
        raise InputError(f"no cell of {', '.join(places)} is finished: modelheir bench run goes on.")
    return found, lacking


def grouped(members: Sequence[Member]) -> dict[tuple[str, str], list[Member]]:
    """Return the seeds of each sequence and network, in the order in which these come."""
    found: dict[tuple[str, str], list[Member]] = {}
    for one in members:
        found.setdefault((one.sequence, one.network), []).append(one)
    return found


def _members(folder: RunFolder, sequence: str, network: str, cell: int = 0) -> list[Member]:
    state = folder.status().get("state")
    if state is None or not folder.config.is_file():
        raise InputError(f"{folder.path} holds neither a run of train {METHOD} nor cells of bench run.")
    if state != "finished":
        raise InputError(f"{folder.path} is not finished ({state}): the same command that began it goes on.")
    config = read_yaml(folder.config)
    if config.get("train") != METHOD:
        raise InputError(f"{folder.path} is a run of train {config.get('train')}, and pictures are of train {METHOD}.")
    rows = _rows(folder)
    seeds = {len(row["stages"]) for row in rows.values()}
    if len(seeds) != 1:
        raise InputError(f"{folder.result} is damaged: it has no strategies, or of several numbers of seeds.")
    (count,) = seeds
    network = network or str(config.get("model", ""))
    return [Member(folder, sequence, network, number, count, cell) for number in range(count)]


def _rows(folder: RunFolder) -> dict[str, Any]:
    found = read_json(folder.result)
    return {key.removeprefix(_ROW): row for key, row in found.items() if key.startswith(_ROW) and row.get("stages")}


def _called(place: Path, places: Sequence[str]) -> str:
    """Return the name of a folder, with those above it where another one has the same."""
    names = [Path(one.removeprefix("run:")).resolve().name for one in places]
    own = place.resolve().name
    return own if names.count(own) == 1 else str(place)


def oracle_of(members: Sequence[Member], name: str) -> tuple[list[Member], list[Member]]:
    """Part the members that stand for an oracle from those that pictures are of.

    Args:
        members: All that were read.
        name: A sequence among them, or a run's folder. ``NAME_oracle`` is the oracle of the sequence ``NAME`` alone.

    Raises:
        InputError: If it is neither, or nothing else is left.
    """
    held = [one for one in members if one.sequence == name]
    if held:
        own = name.removesuffix(ORACLE)
        rest = [one for one in members if one.sequence != name]
        if own != name and any(one.sequence == own for one in rest):  # the oracle of that sequence alone
            rest = [one for one in rest if one.sequence == own]
        if not rest:
            raise InputError(f"--oracle {name}: there is nothing else to make pictures of.")
        return held, rest
    if not Path(name.removeprefix("run:")).is_dir():
        known = sorted({one.sequence for one in members})
        raise InputError(
            f"--oracle {name}: there is no such run folder, nor a sequence of that name.{nearest(name, known)} "
            f"Sequences: {', '.join(known)}."
        )
    return read_members([name])[0], list(members)


def like(member: Member, oracles: Sequence[Member]) -> Member:
    """Return the oracle of a member's network, and of its seed where there is one.

    Raises:
        InputError: If there is none of its network.
    """
    own = [one for one in oracles if one.network == member.network]
    if not own:
        raise InputError(
            f"the oracle {oracles[0].folder.path} is a {oracles[0].network}, and {member.folder.path} a "
            f"{member.network}: give one of the same network."
        )
    return next((one for one in own if (one.cell, one.number) == (member.cell, member.number)), own[0])
