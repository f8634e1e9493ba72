"""Predictions on disk: our Parquet files, and Parquet or CSV files that any other framework wrote.

Columns: ``sample_id``, ``label`` (number or class name; empty or -1 is unlabelled), ``prediction``, and optionally
scores: a list column ``logits`` or ``probabilities``, or plain columns ``logit_0..`` or ``prob_0..``. Where scores are
given ``prediction`` may be left out. A list column ``features`` holds penultimate features; every further column can
name a slice. Our own files keep the class names, and how many models were averaged, in the schema's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.runs import prediction_columns as cells
from modelheir.runs.files import replace_file
from modelheir.runs.prediction_checks import check, count_rows
from modelheir.types import Predictions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["members_of", "read_predictions", "write_predictions"]

_KEY = b"modelheir"
_LISTS = ("logits", "probabilities", "features")
_RESERVED = ("sample_id", "label", "prediction", *_LISTS)
_ROWS = 65_536  #: rows a row group


def write_predictions(path: Path | str, predictions: Predictions, *, members: float = 1) -> None:
    """Write predictions as Parquet, whole or not at all.

    Args:
        path: The file; folders on the way are made.
        predictions: What a model said.
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
    clash = [name for name in predictions.columns if name in _RESERVED or cells.WIDE.fullmatch(name)]
    if clash:
        raise InputError(
            f"a further column cannot be called {clash[0]!r}: that name has a meaning of its own; rename it."
        )
    checks.same_length(**plain, **lists, **{f"column {name}": values for name, values in predictions.columns.items()})

    def part(start: int) -> pa.Table:
        rows = slice(start, start + _ROWS)
        columns: dict[str, Any] = {name: pa.array(values[rows]) for name, values in plain.items()}
        columns |= {name: cells.list_array(np.asarray(values[rows], np.float32)) for name, values in lists.items()}
        columns |= {str(name): pa.array(values[rows]) for name, values in predictions.columns.items()}
        return pa.table(columns)

    def write(temporary: Path) -> None:
        first = part(0)
        schema = first.schema.with_metadata({_KEY: json.dumps(about).encode()})
        small = [name for name in first.schema.names if name not in ("sample_id", *_LISTS)]
        options: dict[str, Any] = {"compression": "zstd", "use_dictionary": small}
        with pq.ParquetWriter(temporary, schema, **options) as writer:
            for start in range(0, max(len(predictions), 1), _ROWS):
                writer.write_table((part(start) if start else first).cast(schema))

    replace_file(path, write)


def members_of(path: Path | str) -> float:
    """Return how many models a file averages: what :func:`write_predictions` was told, 1 for files of others."""
    import pyarrow.parquet as pq

    path = Path(path)
    if path.suffix.lower() != ".parquet":
        return 1
    return float(_about(pq.read_schema(path).metadata).get("members", 1))


def read_predictions(path: Path | str, *, classes: Sequence[str] | None = None) -> Predictions:
    """Read predictions from Parquet or CSV (the ending of the name says which).

    Args:
        path: The file.
        classes: Class names by number, for files that do not know them. A file that knows others is refused.

    Returns:
        Predictions in the file's order. Scores are float32; ids are text.

    Raises:
        InputError: If the file is missing, unreadable or lacks a column; if ids are empty or repeat; if scores have the
            wrong width, are not finite, or contradict ``prediction``; if a class is not in the list. Rows are counted
            and the first five ids named.
    """
    path = Path(path)
    table = _load(path)
    _require(path, table, "sample_id")
    _require(path, table, "label")
    names = _class_names(path, table, classes)
    ids = _ids(path, table)
    scores = {name: cells.scores(path, table, ids, name) for name in ("logits", "probabilities")}
    if all(values is None for values in scores.values()):
        _require(path, table, "prediction", also=" (or logits, from which it follows)")
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
            name: cells.array(table[name])
            for name in table.column_names
            if name not in _RESERVED and not cells.WIDE.fullmatch(name)
        },
        features=cells.lists(path, table["features"], ids, "features") if "features" in table.column_names else None,
    )
    check(path, found)
    return found


def _load(path: Path) -> pa.Table:
    import pyarrow as pa

    if not path.exists():
        raise InputError(f"{path} does not exist.")
    kind = path.suffix.lower()
    if kind not in (".parquet", ".csv") or path.is_dir():
        raise InputError(f"{path} is not a file of predictions: its name must end in .parquet or .csv.")
    try:
        if kind == ".parquet":
            import pyarrow.parquet as pq

            return pq.ParquetFile(path).read()
        from pyarrow import csv

        convert = csv.ConvertOptions(
            column_types={"sample_id": pa.string()}, strings_can_be_null=True, null_values=[""]
        )
        return csv.read_csv(path, convert_options=convert)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as {kind[1:]}: {str(error).splitlines()[0].rstrip('.')}.") from error


def _about(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    return json.loads((metadata or {}).get(_KEY, b"{}"))


def _class_names(path: Path, table: pa.Table, given: Sequence[str] | None) -> tuple[str, ...] | None:
    known = _about(table.schema.metadata).get("classes")
    if known and given is not None and list(given) != list(known):
        raise InputError(f"{path} holds {len(known)} class names of its own, which differ from the {len(given)} given.")
    names = known or given
    if names is not None and len(set(names)) != len(names):
        raise InputError(f"{path}: the class list names a class twice.")
    return tuple(str(name) for name in names) if names else None


def _require(path: Path, table: pa.Table, column: str, also: str = "") -> None:
    names = table.column_names
    if column not in names:
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        raise InputError(f"{path} has no column {column!r}{also}.{checks.nearest(column, names)} It has: {shown}.")
    if table.num_rows == 0:
        raise InputError(f"{path} holds no rows.")


def _ids(path: Path, table: pa.Table) -> np.ndarray:
    import pyarrow as pa

    column = table["sample_id"].combine_chunks().cast(pa.string())
    if column.null_count:
        raise InputError(f"{path}: {column.null_count} rows have no sample_id.")
    ids = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.str_)
    if len(column.unique()) < len(ids):
        first = np.unique(ids, return_index=True)[1]
        again = np.ones(len(ids), bool)
        again[first] = False
        raise InputError(f"{path} has {count_rows(again, ids)} that repeat a sample_id: keep one row each.")
    return ids
