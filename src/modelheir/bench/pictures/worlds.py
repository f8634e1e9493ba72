"""The images of runs: opened as each run opened them, once for all runs that read the same."""

from __future__ import annotations

import dataclasses
from typing import Any

from modelheir import inference
from modelheir.address import parse_data
from modelheir.assemble.declared import Opened, declared_sources, open_sources
from modelheir.assemble.same_run import accept_read
from modelheir.bench.pictures.members import Member
from modelheir.bench.suite import METHOD
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.keywords import read_keywords
from modelheir.data import History, open_history, open_splits
from modelheir.methods import METHODS
from modelheir.methods.adapt.adapt import history_of
from modelheir.methods.given import Data
from modelheir.methods.given.steps import data_of_steps

__all__ = ["World", "Worlds", "open_dated"]


@dataclasses.dataclass(frozen=True)
class World:
    """The data of a run."""

    history: History
    newest: Data  #: how its newest step is read


class Worlds:
    """Opens the data of runs.

    Args:
        device: As ``--device``.
        data: Read in place of the run's own; "": the run's own.
    """

    def __init__(self, device: str, data: str = "") -> None:
        self.runtime, self.data = inference.Runtime(device), data
        self._held: dict[str, World] = {}

    def of(self, member: Member) -> World:
        """Return the data of a run.

        Raises:
            InputError: If they cannot be opened, or are not those that it was trained on.
        """
        run, own = read_keywords(METHOD, METHODS[METHOD].config, {}, usual={}, file=member.folder.config)
        address = self.data or run.data
        key = repr((address, run.inputs, run.fit.batch_size, run.classes, own.history, own.time, own.steps))
        if key not in self._held:
            self._held[key] = self._open(member, address, run, own)
        return self._held[key]

    def _open(self, member: Member, address: str, run: Any, own: Any) -> World:
        splits = open_splits(address, run.inputs)
        sources = open_sources(declared_sources(METHODS[METHOD], own), run, splits["train"].classes)
        try:
            accept_read(member.folder, Opened(splits, sources, (), {}, flags=dict.fromkeys(sources, "--history")).held)
        except InputError as error:
            raise InputError(
                f"{address} does not hold the images that {member.folder.path} was trained on: restore them, or say "
                "where they are by --data."
            ) from error
        history = history_of(own, splits, sources, resident_gib=run.inputs.resident_gib)
        if not own.history:
            history = _named(history, address, run.inputs)
        known = Data(splits, run.inputs, run.fit.batch_size, run.seed, self.runtime)
        newest = len(history) - 1
        return World(history, data_of_steps(known, history, [newest], select=[newest]))


def open_dated(address: str, inputs: InputConfig, *, time: str = "time", steps: int = 0) -> History:
    """Open data by time as ``train adapt`` does: a sequence, or data with a column that says when.

    Args:
        address: As ``--data``.
        inputs: How images are read.
        time: The column.
        steps: Parts of the time; 0 as ``train adapt`` has it.

    Raises:
        InputError: If the data cannot be opened, or are one step.
    """
    own = METHODS[METHOD].config(time=time, steps=steps)
    history = history_of(own, open_splits(address, inputs), {}, resident_gib=inputs.resident_gib)
    return _named(history, address, inputs)


def _named(history: History, address: str, inputs: InputConfig) -> History:
    """Give the steps of a sequence the names that it has for them, unless they were cut otherwise."""
    if parse_data(address).kind != "sequence":
        return history
    names = open_history(address, inputs).names
    return dataclasses.replace(history, names=names) if len(names) == len(history) else history
