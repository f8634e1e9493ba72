"""Snapshots of one training as rows of a matrix that stays on disk; any block of its columns is read alone."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.subspace.layout import Layout
from modelheir.subspace.snapshot_file import SnapshotFile, Stored, open_snapshot

__all__ = ["Trajectory", "read_range", "select_range"]

_STATISTICS = ("running_mean", "running_var")  #: floating buffers of batch normalisation

_T = TypeVar("_T")


class Trajectory:
    """``N`` snapshots as rows of ``M`` weights, read from safetensors files of floating-point numbers or eight bits.

    Args:
        files: The snapshots, in the order of the training; at least one.
        names: The parameters, in the order of the columns; absent takes those that the first file says were trained,
            in the order in which it holds them, or every floating tensor but batch statistics where it says none. A
            weight that two names share lies in the file twice, and counts once only where ``names`` has it once.
        module: The module whose keys ``<module>/<parameter>`` count, as a run writes them; "" takes keys as they are.

    Raises:
        InputError: If a file is missing, cut short, of another model or no safetensors file; names it.
    """

    def __init__(self, files: Sequence[Path], *, names: Sequence[str] | None = None, module: str = "model") -> None:
        if not files:
            raise InputError("there are no snapshots: give at least two files of one training.")
        self.files = tuple(Path(path) for path in files)
        self._prefix = f"{module}/" if module else ""
        opened = [open_snapshot(path) for path in self.files]
        tables = [self._table(one) for one in opened]
        if names is None:
            trained = [name for name in tables[0] if self._prefix + name in opened[0].trained]
            names = trained or [name for name in tables[0] if name.rpartition(".")[2] not in _STATISTICS]
        for name in names:
            if name not in tables[0]:
                near = checks.nearest(name, tables[0])
                raise InputError(f"the snapshot {self.files[0]} holds no floating parameter {name!r}.{near}")
        if not names:
            raise InputError(f"the snapshot {self.files[0]} holds no floating parameter that is asked for.")
        self.layout = Layout(tuple(names), tuple(tables[0][name].shape for name in names))
        for path, table in zip(self.files, tables, strict=True):
            self._refuse_others(path, table)
        self._opened = opened
        self._places = [[table[name] for name in self.names] for table in tables]
        every = [one for row in self._places for one in row]
        #: float64 where a file holds that, else float32
        self.dtype = np.dtype(np.float64 if any(one.kind == "F64" for one in every) else np.float32)
        self.rounding = max(one.rounding for one in every)  #: largest relative rounding error of a stored weight

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters."""
        return self.layout.names

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the parameters."""
        return self.layout.shapes

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers in each parameter."""
        return self.layout.sizes

    @property
    def width(self) -> int:
        """Columns ``M``."""
        return self.layout.width

    @property
    def digests(self) -> tuple[str, ...]:
        """What identifies the content of each file; reads files through that carry no digest."""
        return self._digests

    @functools.cached_property
    def _digests(self) -> tuple[str, ...]:
        return tuple(one.digest for one in self._opened)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of names, shapes and the files' digests, in order."""
        return self.layout.digest(self.digests)

    def __len__(self) -> int:
        return len(self.files)

    def block(self, start: int, stop: int) -> np.ndarray:
        """Return columns ``start`` to ``stop``, ``(N, stop - start)``.

        Raises:
            InputError: If a number is not finite; names file and parameter.
        """
        found = np.empty((len(self), stop - start), self.dtype)
        pieces = self._pieces(start, stop)
        for row, out in enumerate(found):
            self._fill(row, pieces, out)
        return found

    def row(self, number: int) -> np.ndarray:
        """Return one snapshot, ``(M,)``; errors as for :meth:`block`."""
        found = np.empty(self.width, self.dtype)
        self._fill(range(len(self))[number], self._pieces(0, self.width), found)
        return found

    def _table(self, file: SnapshotFile) -> dict[str, Stored]:
        own = {key.removeprefix(self._prefix): one for key, one in file.tensors.items() if key.startswith(self._prefix)}
        if not own:
            there = ", ".join(sorted({key.split("/")[0] for key in file.tensors if "/" in key})) or "plain names"
            raise InputError(f"{file.path} holds no module {self._prefix[:-1]!r}, only {there}.")
        return own

    def _refuse_others(self, path: Path, table: dict[str, Stored]) -> None:
        for name, shape in zip(self.names, self.shapes, strict=True):
            has = table[name].shape if name in table else None
            if has != shape:
                told = "is missing" if has is None else f"has shape {has}"
                raise InputError(
                    f"the snapshot {path} is of another model than {self.files[0]}: its parameter {name!r} {told}, "
                    f"where that has shape {shape}. Take the snapshots of one training."
                )

    def _pieces(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Return ``(parameter, from, to)`` for each parameter that columns ``start`` to ``stop`` touch."""
        if not 0 <= start <= stop <= self.width:
            raise ValueError(f"columns {start} to {stop} are not among {self.width}")
        starts = self.layout.starts
        first = int(np.searchsorted(starts, start, side="right")) - 1
        found = []
        for place in range(first, len(self.names)):
            if starts[place] >= stop:
                break
            low, high = max(start, starts[place]), min(stop, starts[place + 1])
            found.append((place, low - starts[place], high - starts[place]))
        return found

    def _fill(self, row: int, pieces: Sequence[tuple[int, int, int]], out: np.ndarray) -> None:
        file, places, at = self._opened[row], self._places[row], 0
        with file.open() as handle:
            for place, low, high in pieces:
                one = places[place]
                file.read(handle, one, low, out[at : at + high - low])
                at += high - low
        if not np.isfinite(out).all():
            at = 0
            for place, low, high in pieces:
                if not np.isfinite(out[at : at + high - low]).all():
                    raise InputError(
                        f"the snapshot {file.path} holds weights that are not finite, in {self.names[place]!r}: the "
                        "training diverged there. Leave it out."
                    )
                at += high - low


def read_range(text: str) -> slice:
    """Return the range ``start:stop:step``, as Python slices: from 0, the last left out.

    Raises:
        InputError: If it is written otherwise.

    Example:
        >>> read_range("-20:"), read_range("10:60:2")
        (slice(-20, None, None), slice(10, 60, 2))
    """
    found = re.fullmatch(r"(-?\d{0,9}):(-?\d{0,9})(?::(\d{0,9}))?", text.strip())
    parts = [int(part) if part not in (None, "", "-") else None for part in found.groups()] if found else []
    if not found or parts[2] == 0 or "-" in found.groups():
        raise InputError(f"range {text!r}: must be start:stop or start:stop:step with a step >= 1, such as 10:60:2.")
    return slice(*parts)


def select_range(files: Sequence[_T], text: str) -> list[_T]:
    """Return the snapshots of a range, as :func:`read_range` reads it.

    Raises:
        InputError: If it is no range, or holds none of the files.

    Example:
        >>> select_range(["a", "b", "c", "d", "e"], "1::2")
        ['b', 'd']
    """
    chosen = list(files)[read_range(text)]
    if not chosen:
        raise InputError(f"range {text!r} holds none of the {len(files)} snapshots, which count from 0.")
    return chosen
