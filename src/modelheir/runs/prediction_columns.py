"""Columns of a table of predictions as arrays: class numbers, scores, lists, words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.runs.prediction_checks import count_rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["WIDE", "array", "class_numbers", "list_array", "lists", "scores"]

WIDE = re.compile(r"(logit|prob)_(\d+)")  #: names of plain score columns


def class_numbers(
    path: Path, columns: Mapping[str, pa.ChunkedArray], names: tuple[str, ...] | None, scored: bool
) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None]:
    """Turn labels and predictions into class numbers; an empty label is -1."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {
        name: column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for name, column in columns.items()
    }
    texts = {
        name: column
        for name, column in columns.items()
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    }
    if texts and names is None:
        if scored:
            raise InputError(
                f"{path} has class names as {' and '.join(texts)} but does not say which score is whose: "
                "give the class names in the order of the scores (--classes FILE)."
            )
        names = tuple(sorted({str(word) for column in texts.values() for word in column.unique().to_pylist() if word}))  # type: ignore[attr-defined]
    found: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        if name in texts:
            codes = pc.index_in(column, value_set=pa.array(names, type=column.type))  # type: ignore[attr-defined]
            strange = pc.and_(pc.is_null(codes), pc.is_valid(column))  # type: ignore[attr-defined]
            if pc.any(strange).as_py():  # type: ignore[attr-defined]
                words = column.filter(strange).unique().to_pylist()
                near = checks.nearest(words[0], names or ())
                raise InputError(f"{path}: {name} has {len(words)} unknown classes: {', '.join(words[:5])}.{near}")
            column = codes
        empty = column.null_count
        if empty and name == "prediction":
            raise InputError(f"{path}: {empty} rows have no prediction.")
        values = (pc.fill_null(column, -1) if empty else column).to_numpy()  # type: ignore[attr-defined]
        if values.dtype.kind == "f":  # an integer column with holes, as data frames write it
            values = np.where(np.isnan(values), -1, values)
        numbers = values.astype(np.int64) if values.dtype.kind in "iuf" else None
        if numbers is None or (numbers != values).any():
            raise InputError(f"{path}: column {name!r} must hold whole numbers or class names, not {column.type}.")
        found[name] = numbers
    return found, names


def scores(path: Path, table: pa.Table, ids: np.ndarray, name: str) -> np.ndarray | None:
    """Read scores ``(N, C)`` from a list column or from plain columns; ``None`` where there are none."""
    if name in table.column_names:
        return lists(path, table[name], ids, name)
    stem = {"logits": "logit", "probabilities": "prob"}[name]
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
        if not _is_number(column.type):
            raise InputError(f"{path}: column {place[k]!r} must hold numbers, not {column.type}.")
        values[:, k] = column.to_numpy()
    return values


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def lists(path: Path, column: pa.ChunkedArray, ids: np.ndarray, name: str) -> np.ndarray:
    """Put a column of equally long lists of numbers into a matrix, float32."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):  # CSV: each cell is the text of a list
        try:
            words = ",".join(str(cell) for cell in column.to_pylist())
            column = pa.chunked_array([pa.array(json.loads(f"[{words}]"), pa.list_(pa.float32()))])
        except (ValueError, pa.ArrowException) as error:
            raise InputError(f"{path}: column {name!r} must hold lists of numbers, such as [0.5, -1.2].") from error
    if not hasattr(column.type, "value_type") or not _is_number(column.type.value_type):
        raise InputError(f"{path}: column {name!r} must hold lists of numbers, not {column.type}.")
    width = pc.fill_null(pc.list_value_length(column), 0).to_numpy()  # type: ignore[attr-defined]
    usual = int(np.bincount(width).argmax())
    if (width != usual).any() or not usual:
        raise InputError(
            f"{path}: {name} has {usual} values in most rows, but {count_rows(width != usual, ids)} have others."
        )
    values = np.empty((len(column), usual), np.float32)
    start = 0
    for chunk in column.chunks:
        values[start : start + len(chunk)] = chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, usual)
        start += len(chunk)
    return values


def list_array(values: np.ndarray) -> pa.Array:
    """Turn a matrix ``(N, C)`` into a column of lists."""
    import pyarrow as pa

    offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))


def array(column: pa.ChunkedArray) -> np.ndarray:
    """Turn a column into an array; words without holes become a NumPy array of text."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values = column.to_numpy()
    return values.astype(np.str_) if pa.types.is_string(column.type) and not column.null_count else values
