"""Cells of a table of predictions as arrays: ids, class numbers, numbers, words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.printable import shorten
from modelheir.runs.prediction_checks import count_rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LONGEST", "array", "as_text", "class_numbers", "encoded", "is_number", "kind_name", "numbers", "text_ids"]

LONGEST = 4096  #: characters of an id, a class name or a word to slice by, as of the longest path
_WIDTH = 256  #: characters up to which words are kept side by side, all as wide as the longest
_LARGEST = 2.0**53  #: above it a float64 does not know every whole number


def class_numbers(
    path: Path | str, columns: Mapping[str, pa.ChunkedArray], names: tuple[str, ...] | None, scored: bool
) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None]:
    """Turn labels and predictions into class numbers; an empty label is -1."""
    texts = {name: encoded(path, name, column) for name, column in columns.items() if _is_text(column.type)}
    if texts and names is None:
        if scored:
            raise InputError(
                f"{path} has class names as {' and '.join(texts)} but does not say which score is whose: "
                "give the class names in the order of the scores (--classes FILE)."
            )
        used = {word for codes, words in texts.values() for word in (words[k] for k in np.unique(codes[codes >= 0]))}
        names = tuple(sorted(used))
    found: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        coded = texts.get(name)
        values = _named(path, name, *coded, names or ()) if coded else _whole_numbers(path, name, column)
        empty = int((values < 0).sum()) if coded else column.null_count
        if empty and name == "prediction":
            raise InputError(f"{path}: {empty:,} rows have no prediction.")
        found[name] = values
    return found, names


def _named(path: Path | str, name: str, codes: np.ndarray, words: list[str], names: tuple[str, ...]) -> np.ndarray:
    """Turn class names into numbers by the list of classes."""
    place = {word: number for number, word in enumerate(names)}
    values = np.array([*(place.get(word, -1) for word in words), -1], np.int64)[codes]  # code -1 is an empty cell
    strange = np.unique(codes[(values < 0) & (codes >= 0)])
    if strange.size:
        shown = [words[k] for k in strange]
        near = checks.nearest(shorten(shown[0]), names)
        named = ", ".join(shorten(word) for word in shown[:5])
        raise InputError(f"{path}: {name} has {len(shown):,} unknown classes: {named}.{near}")
    return values


def _whole_numbers(path: Path | str, name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of whole numbers; an empty cell is -1, also where data frames made it NaN."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        return np.full(len(column), -1, np.int64)
    if is_number(column.type):
        values = column.to_numpy()
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), -1, values)
        if (np.abs(values.astype(np.float64)) < _LARGEST).all():
            whole = values.astype(np.int64)
            if (whole == values).all():
                return whole
    raise InputError(
        f"{path}: column {name!r} must hold whole numbers or class names in UTF-8, not {kind_name(column.type)}."
    )


def encoded(path: Path | str, name: str, column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return text as numbers ``(N,)`` into a list of words; an empty cell is -1.

    Raises:
        InputError: If a word is not UTF-8 or longer than ``LONGEST`` characters.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole: Any = column.unify_dictionaries().combine_chunks()
    try:
        words = ["" if word is None else str(word) for word in whole.dictionary.to_pylist()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: column {name!r} is not UTF-8 ({error.reason}): write it as UTF-8.") from error
    long = next((word for word in words if len(word) > LONGEST), None)
    if long is not None:
        raise InputError(f"{path}: column {name!r} holds {shorten(long)!r}: at most {LONGEST:,} characters are read.")
    codes = pc.fill_null(whole.indices.cast(pa.int64()), -1).to_numpy()  # type: ignore[attr-defined]
    blank = np.array([*(not word for word in words), True])
    return np.where(blank[codes], -1, codes), words


def is_number(kind: pa.DataType) -> bool:
    """Tell whether a type is one of numbers."""
    import pyarrow as pa

    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def kind_name(kind: pa.DataType) -> str:
    """Name a type, however deep it is."""
    return shorten(str(kind))


def array(path: Path | str, name: str, column: pa.ChunkedArray, *, flat: bool) -> np.ndarray:
    """Turn a further column into an array; words without holes become a NumPy array of text.

    Raises:
        InputError: If it must be ``flat`` and holds lists or records, or if its text is not UTF-8.
    """
    import pyarrow as pa

    if _is_text(column.type):
        codes, words = encoded(path, name, column)
        table = np.array([*words, None], object)[codes]  # one copy of each word, however often it is there
        return table.astype(np.str_) if (codes >= 0).all() and max(map(len, words), default=0) <= _WIDTH else table
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if flat and pa.types.is_nested(column.type):
        raise InputError(f"{path}: column {name!r} must hold one text or number a row, not {kind_name(column.type)}.")
    return column.to_numpy()


def numbers(path: Path | str, name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of numbers as float64 ``(N,)``; an empty cell is NaN."""
    if not is_number(column.type):
        raise InputError(f"{path}: column {name!r} must hold numbers, not {kind_name(column.type)}.")
    return column.to_numpy().astype(np.float64)


def as_text(path: Path | str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column ``sample_id`` as text; numbers and dates are written out."""
    import pyarrow as pa

    if _is_text(column.type):
        return column
    plain = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_primitive(plain) or pa.types.is_null(plain)):
        raise InputError(f"{path}: column 'sample_id' must hold texts or whole numbers, not {kind_name(column.type)}.")
    return column.cast(plain).cast(pa.string())


def text_ids(path: Path | str, column: pa.ChunkedArray) -> np.ndarray:
    """Turn the column ``sample_id`` into texts, ``(N,)``; each must be there, once.

    Raises:
        InputError: If ids are missing, repeat, are too long, or are neither text nor numbers.
    """
    codes, words = encoded(path, "sample_id", as_text(path, column))
    if (codes < 0).any():
        raise InputError(f"{path}: {int((codes < 0).sum()):,} rows have no sample_id.")
    ids = np.array(words, np.str_)[codes]
    first = np.unique(codes, return_index=True)[1]
    if len(first) < len(codes):
        again = np.ones(len(codes), bool)
        again[first] = False
        raise InputError(f"{path} has {count_rows(again, ids)} that repeat a sample_id: keep one row each.")
    return ids
