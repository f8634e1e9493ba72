"""One number for each image from a table, such as a likelihood to flip."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from modelheir.checks import InputError, unknown
from modelheir.runs.prediction_cells import as_text, encoded, numbers
from modelheir.runs.tables import read_table

__all__ = ["read_column"]


def read_column(path: Path | str, column: str, ids: np.ndarray) -> np.ndarray:
    """Read a column of a Parquet (or CSV) file in the order of ``ids``.

    Args:
        path: The file; it has a column ``sample_id``.
        column: The column to read; finite numbers.
        ids: Sample ids, ``(N,)``; each must be there once. Further rows of the file are ignored.

    Returns:
        float64 ``(N,)``.

    Raises:
        InputError: If the file, a column or an id is missing, an id is there twice, or a value is not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is missing or is no file: {column} is read from a Parquet file.")
    table, names, _ = read_table(path, lambda name: name in ("sample_id", column), text=("sample_id",))
    for name in ("sample_id", column):
        if name not in names:
            raise unknown(f"column of {path}", name, names)
    codes, words = encoded(path, "sample_id", as_text(path, table["sample_id"]))
    found = np.array([*words, ""], np.str_)[codes]
    order = np.argsort(found, kind="stable")
    ordered = found[order]
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise InputError(f"{path}: {len(twice)} sample ids stand there twice, such as {twice[0]}.")
    place = np.searchsorted(ordered, ids).clip(max=max(len(ordered) - 1, 0))
    missing = ids[ordered[place] != ids] if len(ordered) else ids
    if len(missing):
        some = ", ".join(map(str, missing[:5]))
        raise InputError(f"{path}: {len(missing)} of {len(ids)} images have no row: {some}.")
    values = numbers(path, column, table[column])[order][place]
    if not np.isfinite(values).all():
        bad = ids[~np.isfinite(values)]
        raise InputError(f"{path}: {column} is not a number for {len(bad)} images: {', '.join(map(str, bad[:5]))}.")
    return values
