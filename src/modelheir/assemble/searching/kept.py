"""``search.json``: what a search is and what came of its trials, written as each begins and ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelheir.assemble.same_run import first_difference
from modelheir.assemble.searching.trial import Trial
from modelheir.checks import InputError
from modelheir.runs.files import read_mapping, to_json, write_json

__all__ = ["VERSION", "Kept"]

VERSION = 1  #: of the file


class Kept:
    """The file and the trials in it.

    Args:
        path: ``search.json``.
        about: What the search is.
        trials: Those so far.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], trials: list[Trial]) -> None:
        self.path, self._about, self.trials = path, about, trials

    @classmethod
    def read(cls, path: Path, about: Mapping[str, Any]) -> Kept:
        """Read the file, or begin one that is written with the first trial.

        Args:
            path: ``search.json`` in the search's folder.
            about: ``method``, ``strategy``, ``space`` and ``settings``.

        Raises:
            InputError: If it is damaged or of another search, or the folder holds other files.
        """
        about = {"version": VERSION, **to_json(about)}
        if not path.is_file():
            there = sorted(one.name for one in path.parent.iterdir()) if path.parent.is_dir() else []
            if there or (path.parent.exists() and not path.parent.is_dir()):
                raise InputError(f"{path.parent} is there and holds no search: give another --out.")
            return cls(path, about, [])
        advice = f"Restore it, or give another --out than {path.parent}"
        held = read_mapping(path, advice)
        try:
            trials = [Trial(**{**row, "changes": _frozen(dict(row["changes"]))}) for row in held.pop("trials")]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged, or no search's. {advice}.") from error
        if found := first_difference(held, about):
            key, before, now = found
            raise InputError(
                f"{path.parent} holds a search with {key} = {before!r}, and this one has {now!r}: give another --out, "
                "or the same to go on."
            )
        return cls(path, about, trials)

    def put(self, trial: Trial) -> None:
        """Keep a trial in place of an earlier word about it."""
        self.trials = sorted([*(one for one in self.trials if one.number != trial.number), trial], key=_number)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {**self._about, "trials": [dataclasses.asdict(one) for one in self.trials]})


def _number(trial: Trial) -> int:
    return trial.number


def _frozen(value: Any) -> Any:
    """Return lists as the tuples that settings hold."""
    if isinstance(value, Mapping):
        return {key: _frozen(one) if isinstance(one, list) else one for key, one in value.items()}
    return tuple(_frozen(one) if isinstance(one, list) else one for one in value)
