"""``search.json``: what a search is and what came of its trials, shared by all processes that try.

The file is whole at any time (written elsewhere and renamed), and only who holds the lock beside it writes, after
reading it anew: so no process undoes another's word. Which trial is in training and by a living process tells a second
lock, one a trial, which its process holds until the trial is done; both locks die with their process. A database would
take the same locks of the same disk for the first, and has nothing for the second but the time of the last sign of
life, which is a guess.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modelheir.assemble.same_run import first_difference
from modelheir.assemble.searching.trial import Trial
from modelheir.checks import InputError
from modelheir.runs.files import read_mapping, to_json, write_json
from modelheir.runs.lock import locked

__all__ = ["VERSION", "Kept"]

VERSION = 1  #: of the file
_PATIENCE = 60.0  #: seconds to wait for another process that looks for its next trial


class Kept:
    """The file and the trials in it.

    Args:
        path: ``search.json`` in the search's folder.
        about: What the search is: ``method``, ``strategy``, ``space`` and ``settings``.

    Raises:
        InputError: If the file is damaged or of another search, or the folder holds other files.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path, self._about = path, {"version": VERSION, **to_json(about)}
        self._lock = path.with_name(f".{path.name}.lock")
        self.trials = self._read()  #: as they were read last, by number

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Read the trials anew and let no other process change them meanwhile; hold it for moments only.

        Raises:
            InputError: If the folder cannot be written, or another process does not let go of the file.
        """
        until = time.monotonic() + _PATIENCE
        with contextlib.ExitStack() as held:
            while not _held_lock(held, self._lock):
                if time.monotonic() > until:
                    raise InputError(f"{self.path} is being written by another process: wait for it, run again.")
                time.sleep(0.02)
            self.trials = self._read()
            yield

    def claim(self, held: contextlib.ExitStack, trial: Trial) -> bool:
        """Take a trial until ``held`` ends or this process does; ``False`` where a living process has it."""
        return _held_lock(held, self.path.parent / "trials" / f".{trial.number:03d}.lock")

    def put(self, trial: Trial) -> None:
        """Keep a trial in place of an earlier word about it; only within :meth:`alone`."""
        self.trials = sorted([*(one for one in self.trials if one.number != trial.number), trial], key=_number)
        write_json(self.path, {**self._about, "trials": [dataclasses.asdict(one) for one in self.trials]})

    def _read(self) -> list[Trial]:
        path = self.path
        if not path.is_file():
            there = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
            # another process may have begun this moment: its lock, its trials' locks, the file half written
            others = [name for name in there if name != "trials" and not name.startswith(f".{path.name}.")]
            if others or (path.parent.exists() and not path.parent.is_dir()):
                raise InputError(f"{path.parent} is there and holds no search: give another --out.")
            return []
        advice = f"Restore it, or give another --out than {path.parent}"
        held = read_mapping(path, advice)
        try:
            trials = [Trial(**{**row, "changes": _frozen(dict(row["changes"]))}) for row in held.pop("trials")]
            rest, before = {**held, "settings": {}}, dict(held["settings"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged, or no search's. {advice}.") from error
        about = {**self._about, "settings": {}}
        if found := first_difference(rest, about) or first_difference(before, self._about["settings"]):
            key, before, now = found
            raise InputError(
                f"{path.parent} holds a search with {key} = {before!r}, and this one has {now!r}: give another --out, "
                "or the same to go on."
            )
        return trials


def _held_lock(held: contextlib.ExitStack, path: Path) -> bool:
    """Hold a lock file until ``held`` ends; ``False`` where another process has it.

    Raises:
        InputError: If it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held.enter_context(locked(path))
    except BlockingIOError:
        return False
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}. Give another --out.") from error
    return True


def _number(trial: Trial) -> int:
    return trial.number


def _frozen(value: Any) -> Any:
    """Return lists as the tuples that settings hold."""
    if isinstance(value, Mapping):
        return {key: _frozen(one) if isinstance(one, list) else one for key, one in value.items()}
    return tuple(_frozen(one) if isinstance(one, list) else one for one in value)
