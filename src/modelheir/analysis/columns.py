"""Columns to slice by: of either file of predictions, or joined from a table of metadata by sample id.

Where a column stands in two places their cells must be equal; an empty cell equals an empty cell.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from modelheir import checks
from modelheir.analysis.pairing import Pair
from modelheir.checks import InputError
from modelheir.metrics.groups import group_by
from modelheir.metrics.join import find_rows, name_ids
from modelheir.printable import shorten
from modelheir.runs.by_id.metadata import Metadata
from modelheir.types import Predictions

__all__ = ["join_metadata", "slice_values"]


def join_metadata(
    old: Predictions, new: Predictions, table: Metadata, *, names: tuple[str, str] = ("the old file", "the new file")
) -> tuple[Predictions, str]:
    """Give the old model's predictions the columns of a table that neither model's have.

    Args:
        old: What the old model said.
        new: What the new model said about the same images, in any order.
        table: Columns by sample id; its rows of other images are left aside.
        names: What to call the two models in errors.

    Returns:
        ``old`` with further columns, and a note on the images that the table lacks, whose cells are empty; no note
        where it lacks none.

    Raises:
        InputError: If the table shares no image with the predictions, or a column stands in both with other values.
    """
    ids = np.asarray(old.sample_id)
    rows = find_rows(ids, table.sample_id)
    if (rows < 0).all():
        raise InputError(
            f"{table.path} shares no sample_id with {names[0]}: it has {name_ids(table.sample_id[:6])}; "
            f"the images are {name_ids(ids[:6])}."
        )
    for found, name in ((old, names[0]), (new, names[1])):
        _agree(found, name, table)
    joined = {
        name: _at(values, rows)
        for name, values in table.columns.items()
        if name not in old.columns and name not in new.columns
    }
    lacking = ids[rows < 0]
    note = ""
    if joined and len(lacking):
        note = (
            f"{table.path} lacks {len(lacking):,} of {len(ids):,} images ({name_ids(lacking)}): their cells are empty"
        )
    return dataclasses.replace(old, columns={**old.columns, **joined}), note


def slice_values(pair: Pair, column: str) -> tuple[np.ndarray, list[Any]]:
    """Number the values of a column.

    Returns:
        Numbers ``(N,)`` in the pair's order, and the values, an empty cell as ``None``.

    Raises:
        InputError: If neither file has the column, or both have it with other values.
    """
    found = [side.take(np.asarray(side.predictions.columns[column])) for side in _with_column(pair, column)]
    numbers, words = group_by(found[0])
    different = _different(numbers, words, found[1]) if len(found) == 2 else np.zeros(0, np.int64)
    if different.size:
        first = int(different[0])
        one, other = (_shown(cell) for cell in (words[numbers[first]], found[1][[first]].tolist()[0]))
        raise InputError(
            f"column {column!r} differs between the two files for {different.size:,} images, such as "
            f"{pair.sample_id[first]} ({one} and {other}): rename it in one of them, or compare files that agree."
        )
    return numbers, words


def _agree(found: Predictions, name: str, table: Metadata) -> None:
    """Require that the columns that predictions and table both have say the same of the images that both have."""
    both = [column for column in table.columns if column in found.columns]
    if not both:
        return
    rows = find_rows(np.asarray(found.sample_id), table.sample_id)
    here = np.flatnonzero(rows >= 0)
    for column in both:
        own, theirs = np.asarray(found.columns[column])[here], table.columns[column][rows[here]]
        numbers, words = group_by(own)
        different = _different(numbers, words, theirs)
        if different.size:
            first = int(different[0])
            one, other = (_shown(values[[first]].tolist()[0]) for values in (theirs, own))
            raise InputError(
                f"column {column!r} of {table.path} differs from that of {name} for {different.size:,} images, such as "
                f"{shorten(str(found.sample_id[here[first]]))} ({one} and {other}): rename it in the table."
            )


def _at(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the cells of ``rows``, an empty one for each ``-1``."""
    if (rows >= 0).all():
        return values[rows]
    cells = [*values.tolist(), None]  # row -1 is the last
    return np.array([cells[row] for row in rows.tolist()] + [None], object)[:-1]


def _different(numbers: np.ndarray, words: list[Any], other: np.ndarray) -> np.ndarray:
    """Find the images whose cell is another in the other file; an empty cell equals an empty cell."""
    codes, theirs = group_by(other)
    place = {word: number for number, word in enumerate(words)}
    return np.flatnonzero(np.array([place.get(word, -1) for word in theirs], np.int64)[codes] != numbers)


def _shown(cell: Any) -> str:
    return "an empty cell" if cell is None or cell == "" or cell != cell else repr(cell)


def _with_column(pair: Pair, column: str) -> list[Any]:
    sides = [side for side in (pair.old, pair.new) if column in side.predictions.columns]
    if not sides:
        known = {name for side in (pair.old, pair.new) for name in side.predictions.columns}
        if not known:
            raise InputError(f"there is no column {column!r} to slice by: the files have no further columns.")
        raise checks.unknown("column", column, sorted(known))
    return sides
