"""The list of images that releases broke: a Parquet file that grows with every release and is replayed on the next.

One row an image and release: ``sample_id``, ``release`` (the model's short name), ``file`` (its predictions), ``label``
(the class), ``confidence`` (that model's in its wrong answer; null without scores) and ``date`` (UTC).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.checks import InputError
from modelheir.printable import shorten
from modelheir.runs.files import replace_file
from modelheir.runs.lock import locked
from modelheir.runs.prediction_cells import encoded, is_number, kind_name
from modelheir.runs.tables import column_names, read_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Remembered", "add_remembered", "read_remembered"]

_TEXTS = ("sample_id", "release", "file", "label")
_NAMES = (*_TEXTS, "confidence", "date")
_PATIENCE = 30.0  #: seconds to wait for another process that adds to the same list


@dataclasses.dataclass(frozen=True)
class Remembered:
    """Images that releases broke, one row an image and release; all columns are ``(M,)``."""

    sample_id: tuple[str, ...] = ()
    release: tuple[str, ...] = ()  #: short name of the model that broke it
    file: tuple[str, ...] = ()  #: that model's predictions
    label: tuple[str, ...] = ()  #: name of the class
    confidence: tuple[float | None, ...] = ()  #: of that model in its wrong answer, 0 to 1; ``None`` where unknown
    date: tuple[datetime.date, ...] = ()
    path: str = ""  #: the file that was read

    def __len__(self) -> int:
        return len(self.sample_id)

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """Id, release and file of each row: what is there once."""
        return list(zip(self.sample_id, self.release, self.file, strict=True))


def read_remembered(path: Path | str, *, missing: bool = False) -> Remembered:
    """Read a list.

    Args:
        path: The file, ending in ``.parquet``.
        missing: It may be missing; the list is empty then.

    Raises:
        InputError: If the file is missing or damaged, or is something else than such a list.
    """
    path = Path(path)
    if path.suffix.lower() != ".parquet":
        raise InputError(f"{path}: a list of remembered images is a Parquet file, so its name must end in .parquet.")
    if path.is_dir():
        raise InputError(f"{path} is a folder: a list of remembered images is a Parquet file.")
    if missing and not path.exists():
        return Remembered(path=str(path))
    names = column_names(path)
    wrong = [name for name in _NAMES if name not in names]
    strange = [name for name in names if name not in _NAMES]
    if wrong or strange:
        raise _no_list(path, f"it has no {wrong[0]!r}" if wrong else f"{shorten(strange[0])!r} is none of them")
    table = read_table(path, lambda name: True).columns
    try:
        dates = tuple(table["date"].to_pylist())
    except (ValueError, OverflowError) as error:  # a year that no calendar has
        raise _no_list(path, f"a date cannot be read ({error})") from error
    if not all(type(date) is datetime.date for date in dates):
        raise _no_list(path, "not every row has a date")
    columns: dict[str, Any] = {name: _texts(path, name, table[name]) for name in _TEXTS}
    return Remembered(**columns, confidence=_confidence(path, table["confidence"]), date=dates, path=str(path))


def add_remembered(path: Path | str, rows: Remembered) -> tuple[int, int]:
    """Add rows to a list, which is made where there is none; the file is whole at any time, and no row is lost.

    Args:
        path: The list, ending in ``.parquet``. Where it is a link, what it leads to is written.
        rows: New rows; those whose id, release and file are in the list already are left out.

    Returns:
        How many rows were added, and how many the list has.

    Raises:
        InputError: If the file is something else than such a list, cannot be written, or is held by another process.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(os.path.realpath(path))
    with _alone(path):
        known = read_remembered(path, missing=True)
        fresh = {key: row for row, key in enumerate(rows.keys)}
        for key in known.keys:
            fresh.pop(key, None)
        if fresh or not path.exists():
            kinds = {name: pa.string() for name in _TEXTS} | {"confidence": pa.float64(), "date": pa.date32()}
            columns = {
                name: pa.array([*getattr(known, name), *(getattr(rows, name)[row] for row in fresh.values())], kind)
                for name, kind in kinds.items()
            }
            replace_file(path, lambda temporary: pq.write_table(pa.table(columns), temporary, compression="zstd"))
        return len(fresh), len(known) + len(fresh)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the list for one writer; wait for whoever is adding to it."""
    until = time.monotonic() + _PATIENCE
    with contextlib.ExitStack() as held:
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(path.with_name(f".{path.name}.lock")))
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    raise InputError(f"{path} is being written by another process: wait for it, run again.") from error
                time.sleep(0.02)
            except OSError as error:
                raise InputError(f"cannot write {path}: {error.strerror or error}. Give another file.") from error
        yield


def _no_list(path: Path, why: str) -> InputError:
    return InputError(f"{path} is no list of remembered images ({', '.join(_NAMES)}): {why}.")


def _texts(path: Path, name: str, column: pa.ChunkedArray) -> tuple[str, ...]:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise _no_list(path, f"{name!r} must hold text, not {kind_name(column.type)}")
    codes, words = encoded(path, name, column)
    if name != "label" and (codes < 0).any():  # a class may have an empty name
        raise _no_list(path, f"{int((codes < 0).sum()):,} rows have no {name}")
    return tuple(words[code] if code >= 0 else "" for code in codes.tolist())


def _confidence(path: Path, column: pa.ChunkedArray) -> tuple[float | None, ...]:
    if not is_number(column.type):
        raise _no_list(path, f"'confidence' must hold numbers, not {kind_name(column.type)}")
    values = column.to_numpy().astype(np.float64)
    return tuple(None if np.isnan(value) else value for value in values.tolist())
