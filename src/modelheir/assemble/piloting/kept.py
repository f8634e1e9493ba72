"""``pilot.json``: what a pilot found, written after every pair, so that it can go on and its sums can be redone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelheir.assemble.piloting.pair import Pair
from modelheir.assemble.piloting.sizes import Size, Whole
from modelheir.assemble.same_run import first_difference
from modelheir.checks import InputError
from modelheir.runs.files import read_mapping, write_json

__all__ = ["VERSION", "Kept"]

VERSION = 1  #: of the file


class Kept:
    """The file and what it holds.

    Args:
        path: ``pilot.json``.
        held: Its content.
    """

    def __init__(self, path: Path, held: dict[str, Any]) -> None:
        self.path, self._held = path, held

    @classmethod
    def read(cls, path: Path, method: str, settings: Mapping[str, Any], whole: Whole) -> Kept:
        """Read the file, or begin one that is written with the first thing found.

        Raises:
            InputError: If it is damaged, or of a pilot with other settings or other data.
        """
        fresh = {"version": VERSION, "method": method, "settings": settings, "whole": dataclasses.asdict(whole)}
        if not path.is_file():
            return cls(path, {**fresh, "pairs": []})
        advice = f"Restore it, or remove it and {path.with_suffix('')}"
        held = read_mapping(path, advice)
        try:
            _ = [_pair(row) for row in held["pairs"]], Whole(**held["whole"]), dict(held["settings"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged, or no pilot's. {advice}.") from error
        found = first_difference(held["settings"], settings) or first_difference(held["whole"], fresh["whole"])
        if held.get("method") != method or found:
            key, before, now = found or ("train", held.get("method"), method)
            raise InputError(
                f"{path} is of a pilot with {key} = {before!r}, and this one has {now!r}: give another --out, or the "
                "same settings to go on."
            )
        return cls(path, held)

    @property
    def pairs(self) -> list[Pair]:
        """The pairs that are done."""
        return [_pair(row) for row in self._held["pairs"]]

    @property
    def probe(self) -> dict[str, float] | None:
        """The pace, if it was measured."""
        return self._held.get("probe")

    @property
    def probe_seconds(self) -> float:
        """How long measuring it took."""
        return float(self._held.get("probe_seconds", 0.0))

    def plan(self, seconds: float) -> list[tuple[Size, int]] | None:
        """Return the pairs that were chosen for this time; ``None`` where none were."""
        if self._held.get("budget_seconds") != seconds:
            return None
        rows = [dict(row) for row in self._held["planned"]]
        return [(Size(row["share"], row["labelled"], row["pool"]), row["seed"]) for row in rows]

    def add(self, pair: Pair) -> None:
        """Keep a pair that is done."""
        row = {**dataclasses.asdict(pair), "counts": list(pair.counts), "accuracy": pair.accuracy, "gain": pair.gain}
        self.write(pairs=[*self._held["pairs"], row])

    def write(self, **changes: Any) -> None:
        """Put changed entries into the file."""
        self._held |= changes
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, self._held)


def _pair(row: Mapping[str, Any]) -> Pair:
    return Pair(
        planned=int(row["planned"]),
        labelled=int(row["labelled"]),
        pool=int(row["pool"]),
        seed=int(row["seed"]),
        counts=tuple(int(count) for count in row["counts"]),
        seconds=float(row["seconds"]),
    )
