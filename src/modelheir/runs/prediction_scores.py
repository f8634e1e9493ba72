"""Scores and features of a table of predictions as matrices, from lists or from plain columns."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modelheir.checks import InputError
from modelheir.runs.prediction_cells import is_number, kind_name
from modelheir.runs.prediction_checks import count_rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["WIDE", "list_column", "lists", "scores", "text_columns"]

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
