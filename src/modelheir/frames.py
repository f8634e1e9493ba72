"""Tables in memory as Arrow tables: pyarrow's own, frames of pandas and polars, plain columns; no frame library needed.

Frames come by the Arrow PyCapsule interface (``__arrow_c_stream__``), older ones by ``to_arrow`` or the interchange
protocol (``__dataframe__``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.checks import InputError
from modelheir.printable import shorten

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["to_arrow"]


def to_arrow(given: Any, called: str) -> pa.Table:
    """Turn a table of any kind into an Arrow table; columns are shared where their layout allows it.

    Args:
        given: A pyarrow table or record batch, a frame of pandas or polars, whatever offers ``__arrow_c_stream__``, or
            a mapping of column names to equally long NumPy arrays or lists; a matrix ``(N, C)`` is a column of lists.
        called: What messages call it.

    Raises:
        InputError: If it is none of these, or its columns cannot be read as such.
    """
    import pyarrow as pa

    try:
        table = _table(given, called)
        table.validate(full=True)
        return _plain(table)
    except (InputError, MemoryError):  # Arrow's own lack of memory is one, too
        raise
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0].rstrip(".")
        raise InputError(f"{called} cannot be read as a table: {shorten(reason, 300)}.") from error


def _table(given: Any, called: str) -> pa.Table:
    import pyarrow as pa

    if isinstance(given, pa.Table):
        return given
    if isinstance(given, pa.RecordBatch):
        return pa.Table.from_batches([given])
    if isinstance(given, Mapping):
        return _of_columns(given, called)
    if hasattr(given, "__arrow_c_stream__"):
        return pa.table(given)
    if callable(getattr(given, "to_arrow", None)):
        return pa.table(given.to_arrow())
    if hasattr(given, "__dataframe__"):
        from pyarrow import interchange

        return interchange.from_dataframe(given)
    raise InputError(
        f"{called} is of the type {type(given).__name__}: give a path, predictions, a table of pyarrow, a frame of "
        "pandas or polars, or a dict of columns."
    )


def _of_columns(given: Mapping[Any, Any], called: str) -> pa.Table:
    import pyarrow as pa

    columns = {str(name): _column(str(name), values, called) for name, values in given.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{shorten(name)} {length:,}" for name, length in list(lengths.items())[:12])
        raise InputError(f"{called} has columns of different lengths: {shown}.")
    return pa.table(columns)


def _column(name: str, values: Any, called: str) -> pa.Array | pa.ChunkedArray:
    import pyarrow as pa

    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if hasattr(values, "__array__"):
        values = np.asarray(values)
    if isinstance(values, np.ndarray) and values.ndim == 2:
        flat = pa.array(np.ascontiguousarray(values).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    if isinstance(values, str | bytes | Mapping) or getattr(values, "ndim", 1) != 1 or not hasattr(values, "__len__"):
        raise InputError(f"{called}: column {shorten(name)!r} must be an array or a list with one value a row.")
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{called}: column {shorten(name)!r} holds values that are not of one kind: give numbers, or texts."
        ) from error


def _plain(table: pa.Table) -> pa.Table:
    """Return the table with text as Arrow has always stored it: polars hands out views."""
    import pyarrow as pa

    for number, field in enumerate(table.schema):
        column = table.column(number)
        if pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type):
            parts: Any = column.chunks
            parts = [pa.DictionaryArray.from_arrays(one.indices, one.dictionary.cast(pa.string())) for one in parts]
            kind = pa.dictionary(field.type.index_type, pa.string())
            table = table.set_column(number, field.name, pa.chunked_array(parts, kind))
        elif pa.types.is_string_view(field.type):
            table = table.set_column(number, field.name, column.cast(pa.string()))
    return table
