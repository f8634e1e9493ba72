"""A table of metadata, Parquet or CSV: columns to slice by that the files of predictions do not have."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.printable import shorten
from modelheir.runs.prediction_cells import array, text_ids
from modelheir.runs.tables import read_table

__all__ = ["Metadata", "read_metadata"]


@dataclasses.dataclass(frozen=True, eq=False)
class Metadata:
    """Columns of a table by sample id."""

    path: Path
    sample_id: np.ndarray  #: ``(M,)`` text, unique
    columns: Mapping[str, np.ndarray]  #: those asked for that the table has, each ``(M,)``


def read_metadata(path: Path | str, columns: Sequence[str]) -> Metadata:
    """Read the columns that are asked for; what else a table holds costs nothing.

    Args:
        path: A file ending in ``.parquet`` or ``.csv`` with a column ``sample_id``.
        columns: Columns to slice by. The table has one of them at least; the others may be in the predictions.

    Raises:
        InputError: If the file is missing or cannot be read, has no ``sample_id`` or none of ``columns``, or if ids are
            empty or repeat.
    """
    path = Path(path)
    table, names, _ = read_table(path, lambda name: name == "sample_id" or name in columns, text=("sample_id",))
    if "sample_id" not in names:
        near = checks.nearest("sample_id", names)
        raise InputError(f"{path} has no column 'sample_id', by which it is joined.{near} It has: {_list(names)}.")
    found = [name for name in columns if name in names and name != "sample_id"]
    if not found:
        further = [name for name in names if name != "sample_id"]
        has = f"it has {_list(further)}" if further else "it has no other"
        raise InputError(f"{path} has none of the columns to slice by ({', '.join(columns)}): {has}.")
    if table.num_rows == 0:
        raise InputError(f"{path} holds no rows.")
    ids = text_ids(path, table["sample_id"])
    return Metadata(path, ids, {name: array(path, name, table[name], flat=True) for name in found})


def _list(names: Sequence[str]) -> str:
    return ", ".join(shorten(name) for name in names[:12]) + (", ..." if len(names) > 12 else "")
