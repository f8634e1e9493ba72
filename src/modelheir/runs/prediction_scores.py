"""Scores and features of images as matrices, from lists or plain columns of a table, or from NumPy's own files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelheir.checks import InputError
from modelheir.printable import shorten
from modelheir.runs.prediction_cells import is_number, kind_name, text_ids
from modelheir.runs.prediction_checks import count_rows
from modelheir.runs.tables import column_names, read_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["WIDE", "Features", "feature_files", "list_column", "lists", "read_features", "scores", "text_columns"]

_STEMS = {"logits": "logit", "probabilities": "prob"}
WIDE = re.compile(r"(logit|prob)_(\d+)")  #: names of plain score columns


def scores(path: Path | str, table: pa.Table, ids: np.ndarray, name: str) -> np.ndarray | None:
    """Read scores ``(N, C)`` from a list column or from plain columns; ``None`` where there are none."""
    if name in table.column_names:
        return lists(path, table[name], ids, name)
    stem = _STEMS[name]
    wide = [match for match in map(WIDE.fullmatch, table.column_names) if match and match[1] == stem]
    if not wide:
        return None
    place = {int(match[2]): match[0] for match in wide}
    gap = next((k for k in range(len(wide)) if k not in place), None)
    if gap is not None:
        raise InputError(f"{path} has {len(wide)} columns {stem}_<number> but no {stem}_{gap}: number them from 0.")
    values = np.empty((table.num_rows, len(wide)), np.float32)
    for k in range(len(wide)):
        column = table[place[k]]
        if not is_number(column.type):
            raise InputError(f"{path}: column {place[k]!r} must hold numbers, not {kind_name(column.type)}.")
        with np.errstate(over="ignore"):  # too large is infinite, and refused as such
            values[:, k] = column.to_numpy()
    return values


def lists(path: Path | str, column: pa.ChunkedArray, ids: np.ndarray, name: str) -> np.ndarray:
    """Put a column of equally long lists of numbers into a matrix, float32."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):  # CSV: each cell is the text of a list
        try:
            cells = [json.loads(cell or "") for cell in column.to_pylist()]
            column = pa.chunked_array([pa.array(cells, pa.list_(pa.float64()))])
        except (ValueError, TypeError, OverflowError, RecursionError, pa.ArrowException) as error:
            raise InputError(f"{path}: column {name!r} must hold lists of numbers, such as [0.5, -1.2].") from error
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_one(column.type) for is_one in kinds) or not is_number(column.type.value_type):
        raise InputError(f"{path}: column {name!r} must hold lists of numbers, not {kind_name(column.type)}.")
    width = pc.fill_null(pc.list_value_length(column), 0).to_numpy()  # type: ignore[attr-defined]
    lengths, counts = np.unique(width, return_counts=True)
    usual = int(lengths[counts.argmax()])
    if len(lengths) > 1 or not usual:
        raise InputError(
            f"{path}: {name} has {usual} values in most rows, but {count_rows(width != usual, ids)} have others."
        )
    values = np.empty((len(column), usual), np.float32)
    start = 0
    for chunk in column.chunks:
        with np.errstate(over="ignore"):  # too large is infinite, and refused as such
            values[start : start + len(chunk)] = chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, usual)
        start += len(chunk)
    return values


class Features(NamedTuple):
    """Features of images, in the file's order."""

    sample_id: np.ndarray  #: ``(M,)`` text, unique
    values: np.ndarray  #: ``(M, D)``; those of a ``.npy`` file stay on the disk until they are read


def feature_files(path: Path) -> list[Path]:
    """Return the files that features are read from: ``X.npy`` has its ids in ``X.parquet``, else in ``X.csv``."""
    if path.suffix.lower() != ".npy":
        return [path]
    beside = [path.with_suffix(ending) for ending in (".parquet", ".csv")]
    return [path, next((one for one in beside if one.is_file()), beside[0])]


def read_features(path: Path) -> Features:
    """Read features of images.

    Args:
        path: A Parquet or CSV file with ``sample_id`` and a list column, called ``features`` where there are further
            columns; or a ``.npy`` file ``(M, D)`` with a table of its ids, one a row, beside it.

    Raises:
        InputError: If a file is missing or cannot be read, ids are empty or repeat, rows have different lengths, or
            the two files have different numbers of rows.
    """
    path, *beside = feature_files(path)
    table_path = beside[0] if beside else path
    if beside and path.exists() and not table_path.is_file():
        raise InputError(
            f"{path} has no ids: put a table with a column sample_id, one row a row of it, into "
            f"{table_path} or {path.with_suffix('.csv').name} beside it."
        )
    values = _matrix(path) if beside else None
    names = column_names(table_path)
    others = [name for name in names if name != "sample_id"]
    column = others[0] if len(others) == 1 else "features"
    for name in ("sample_id", *([] if beside else [column])):
        if name not in names:
            has = ", ".join(shorten(one) for one in names[:12])
            raise InputError(f"{table_path} has no column {name!r}, which features need; it has: {has}.")
    wanted = ("sample_id",) if beside else ("sample_id", column)
    table = read_table(table_path, lambda name: name in wanted, text=("sample_id",))[0]
    ids = text_ids(table_path, table["sample_id"])
    if values is None:
        return Features(ids, lists(path, table[column], ids, column))
    if len(values) != len(ids):
        raise InputError(
            f"{path} has {len(values):,} rows and {table_path} {len(ids):,} sample ids: one of them is another file's."
        )
    return Features(ids, values)


def _matrix(path: Path) -> np.ndarray:
    """Open a ``.npy`` file without reading it."""
    if not path.is_file():
        raise InputError(f"{path} does not exist.")
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0].rstrip(".")
        raise InputError(f"{path} cannot be read as a NumPy array: {shorten(reason, 300)}.") from error
    if values.ndim != 2 or values.dtype.kind not in "fiu" or not values.size:
        raise InputError(
            f"{path} holds {values.dtype} of shape {values.shape}: features are numbers of shape (images, features)."
        )
    return values


def list_column(name: str, values: np.ndarray) -> dict[str, pa.Array]:
    """Turn a matrix ``(N, C)`` into one column of lists."""
    import pyarrow as pa

    offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return {name: pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))}


def text_columns(name: str, values: np.ndarray) -> dict[str, pa.Array]:
    """Turn a matrix ``(N, C)`` into what CSV holds: scores are a column a class, features the text of a list."""
    import pyarrow as pa

    if name == "features":
        return {name: pa.array([json.dumps([float(str(value)) for value in row]) for row in values])}
    return {f"{_STEMS[name]}_{k}": pa.array(values[:, k]) for k in range(values.shape[1])}
