"""Predictions on disk: our Parquet files, and Parquet or CSV files that any other framework wrote.

Columns: ``sample_id``, ``label`` (number or class name; empty or -1 is unlabelled), ``prediction``, and optionally
scores: a list column ``logits`` or ``probabilities``, or plain columns ``logit_0..`` or ``prob_0..``. Where scores are
given ``prediction`` may be left out. A list column ``features`` holds penultimate features; every further column can
name a slice. Our own files keep the class names, and how many models were averaged, in the schema's metadata.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.frames import to_arrow
from modelheir.runs import prediction_cells as cells
from modelheir.runs import prediction_scores as matrices
from modelheir.runs.files import replace_file
from modelheir.runs.prediction_checks import check, require_column
from modelheir.runs.tables import Table, column_names, file_notes, pick_columns, read_table, write_csv
from modelheir.types import Predictions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "has_features",
    "members_of",
    "read_predictions",
    "require_columns",
    "take_predictions",
    "write_predictions",
]

_KEY = b"modelheir"
_LISTS = ("logits", "probabilities", "features")
_RESERVED = ("sample_id", "label", "prediction", *_LISTS)
_LONGEST_NOTE = 1 << 24  #: bytes
_ROWS = 65_536  #: rows a row group


def write_predictions(path: Path | str, predictions: Predictions, *, members: float = 1) -> None:
    """Write predictions as Parquet, or as CSV where the name ends in ``.csv``, whole or not at all.

    Args:
        path: The file; folders on the way are made.
        predictions: What a model said. CSV keeps neither the class list nor ``members``.
        members: Number of models whose average this is; a later average counts it so often.

    Raises:
        InputError: If the values contradict each other (see :func:`read_predictions`) or the file cannot be written.
        ValueError: If arrays differ in length or ``members`` is not positive.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    checks.above(0, members=members)
    path = Path(path)
    check(path, predictions)
    about = {"version": 1, "classes": predictions.classes and list(predictions.classes), "members": members}
    plain: dict[str, np.ndarray] = {
        "sample_id": predictions.sample_id,
        "label": np.asarray(predictions.label, np.int64),
        "prediction": np.asarray(predictions.prediction, np.int64),
    }
    lists = {name: getattr(predictions, name) for name in _LISTS if getattr(predictions, name) is not None}
    clash = [name for name in predictions.columns if _has_meaning(name)]
    if clash:
        raise InputError(
            f"a further column cannot be called {clash[0]!r}: that name has a meaning of its own; rename it."
        )
    checks.same_length(**plain, **lists, **{f"column {name}": values for name, values in predictions.columns.items()})

    def part(start: int) -> pa.Table:
        rows = slice(start, start + _ROWS)
        columns: dict[str, Any] = {name: pa.array(values[rows]) for name, values in plain.items()}
        columns |= {str(name): pa.array(values[rows]) for name, values in predictions.columns.items()}
        for name, values in lists.items():
            as_columns = matrices.text_columns if path.suffix == ".csv" else matrices.list_column
            columns |= as_columns(name, np.asarray(values[rows], np.float32))
        return pa.table(columns)

    def write(temporary: Path) -> None:
        first = part(0)
        if path.suffix == ".csv":
            write_csv(temporary, (part(start) for start in range(0, max(len(predictions), 1), _ROWS)))
            return
        schema = first.schema.with_metadata({_KEY: json.dumps(about).encode()})
        small = [name for name in first.schema.names if name not in ("sample_id", *_LISTS)]
        options: dict[str, Any] = {"compression": "zstd", "use_dictionary": small}
        with pq.ParquetWriter(temporary, schema, **options) as writer:
            for start in range(0, max(len(predictions), 1), _ROWS):
                writer.write_table((part(start) if start else first).cast(schema))

    replace_file(path, write)


def members_of(path: Path | str) -> float:
    """Return how many models a file averages: what :func:`write_predictions` was told, 1 for files of others."""
    path = Path(path)
    members = _about(path, file_notes(path)).get("members", 1)
    if isinstance(members, bool) or not isinstance(members, int | float) or not 0 < members < math.inf:
        raise InputError(f"{path}: its own note says that {members!r} models were averaged: write the file again.")
    return float(members)


def has_features(path: Path | str) -> bool:
    """Tell from its header whether a file of predictions holds features.

    Raises:
        InputError: If it is missing or cannot be read.
    """
    return "features" in column_names(Path(path))


def require_columns(paths: Sequence[Path], columns: Sequence[str]) -> None:
    """Check that each of ``columns`` is a further column of one of the files, from their headers alone.

    Raises:
        InputError: With the columns that there are.
    """
    if not columns:
        return
    known = sorted({name for path in paths for name in column_names(path) if not _has_meaning(name)})
    for column in columns:
        if not known:
            raise InputError(f"there is no column {column!r} to slice by: the files have no further columns.")
        if column not in known:
            raise checks.unknown("column", column, known)


def read_predictions(
    path: Path | str, *, classes: Sequence[str] | None = None, columns: Sequence[str] | None = None
) -> Predictions:
    """Read predictions from Parquet or CSV (the ending of the name says which).

    Args:
        path: The file.
        classes: Class names by number, for files that do not know them. A file that knows others is refused.
        columns: Further columns to read, of those that are there, and ``features``; ``None`` reads all. What is not
            asked for costs nothing, however large.

    Returns:
        Predictions in the file's order. Scores are float32; ids are text.

    Raises:
        InputError: If the file is missing, unreadable, unpacks to far more than it holds, or lacks a column or has it
            twice; if ids are empty or repeat; if scores have the wrong width, are not finite, or contradict
            ``prediction``; if a class is not in the list. Rows are counted and the first five ids named.
    """
    path = Path(path)
    return _made(path, read_table(path, _wanted(columns), text=("sample_id",)), classes, columns)


def take_predictions(given: Any, called: str, *, columns: Sequence[str] | None = None) -> Predictions:
    """Take predictions from a table in memory, with the checks and sentences of :func:`read_predictions`.

    Args:
        given: What :func:`~modelheir.frames.to_arrow` takes: a table of pyarrow, a frame, a mapping of columns.
        called: What messages call it, such as ``the old table``.
        columns: Further columns to take; ``None`` takes all.

    Raises:
        InputError: If it is no table, or for a reason of :func:`read_predictions`.
    """
    return _made(called, pick_columns(called, to_arrow(given, called), _wanted(columns)), None, columns)


def _wanted(columns: Sequence[str] | None) -> Callable[[str], bool]:
    return lambda name: (_has_meaning(name) and name != "features") or columns is None or name in columns


def _made(path: Path | str, read: Table, classes: Sequence[str] | None, columns: Sequence[str] | None) -> Predictions:
    table, every, notes = read
    for column in ("sample_id", "label"):
        require_column(path, every, column)
    if table.num_rows == 0:
        raise InputError(f"{path} holds no rows.")
    names = _class_names(path, notes, classes)
    ids = cells.text_ids(path, table["sample_id"])
    scores = {name: matrices.scores(path, table, ids, name) for name in ("logits", "probabilities")}
    if all(values is None for values in scores.values()):
        require_column(path, every, "prediction", also=" (or logits, from which it follows)")
    best = next((values for values in scores.values() if values is not None), None)
    coded = {name: table[name] for name in ("label", "prediction") if name in table.column_names}
    numbers, names = cells.class_numbers(path, coded, names, best is not None)
    if "prediction" not in numbers:
        assert best is not None
        numbers["prediction"] = np.nan_to_num(best, nan=-np.inf).argmax(axis=1).astype(np.int64)
    found = Predictions(
        sample_id=ids,
        label=numbers["label"],
        prediction=numbers["prediction"],
        logits=scores["logits"],
        probabilities=None if scores["logits"] is not None else scores["probabilities"],
        classes=names,
        columns={
            name: cells.array(path, name, table[name], flat=columns is not None)
            for name in table.column_names
            if not _has_meaning(name)
        },
        features=matrices.lists(path, table["features"], ids, "features") if "features" in table.column_names else None,
    )
    check(path, found)
    return found


def _has_meaning(name: str) -> bool:
    return name in _RESERVED or matrices.WIDE.fullmatch(name) is not None


def _about(path: Path | str, notes: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Read the note that :func:`write_predictions` leaves in a file; files of others have none."""
    text = notes.get(_KEY, b"{}")
    try:
        found = json.loads(text) if len(text) <= _LONGEST_NOTE else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path}: what it says of itself under 'modelheir' is no note of ours: write the file again.")
    return found


def _class_names(path: Path | str, notes: Mapping[bytes, bytes], given: Sequence[str] | None) -> tuple[str, ...] | None:
    known = _about(path, notes).get("classes")
    if known is not None and not (isinstance(known, list) and all(_is_name(name) for name in known)):
        raise InputError(f"{path}: its own list of classes is no list of names: write the file again.")
    if known and given is not None and list(given) != known:
        raise InputError(f"{path} holds {len(known)} class names of its own, which differ from the {len(given)} given.")
    names = known or given
    if names is not None and len(set(names)) != len(names):
        raise InputError(f"{path}: the class list names a class twice.")
    return tuple(str(name) for name in names) if names else None


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and len(name) <= cells.LONGEST and not re.search("[\ud800-\udfff]", name)
