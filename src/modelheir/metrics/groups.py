"""Groups of images by the values of a column: a number for each distinct value, fast where there are few of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelheir.metrics.join import text_hash

__all__ = ["group_by"]

_FIRST = 1000  #: rows looked at first; columns to slice by show most of their values there


def group_by(values: np.ndarray) -> tuple[np.ndarray, list[Any]]:
    """Number the distinct values of a column.

    Args:
        values: Texts, numbers, or objects with ``None`` for an empty cell, shape ``(N,)``. NaN and an empty text are
            empty cells too.

    Returns:
        Numbers ``(N,)``, int64, and the distinct values as Python objects, an empty cell as ``None``.

    Example:
        >>> codes, words = group_by(np.array(["b", "a", "b"]))
        >>> codes.tolist(), words
        ([1, 0, 1], ['a', 'b'])
    """
    values = np.asarray(values)
    if values.dtype.kind == "O":
        places: dict[Any, int] = {}
        cells = (None if value != value or value == "" else value for value in values.tolist())
        codes = np.fromiter((places.setdefault(cell, len(places)) for cell in cells), np.int64, len(values))
        return codes, list(places)
    if values.dtype.kind != "U":
        words, codes = np.unique(values, return_inverse=True)
        return codes, [None if word != word else word for word in words.tolist()]
    keys = text_hash(values)
    known = np.unique(keys[:_FIRST])
    while True:
        codes = np.minimum(np.searchsorted(known, keys), max(len(known) - 1, 0))
        strange = known[codes] != keys if len(known) else np.zeros(0, bool)
        if not strange.any():
            break
        known = np.union1d(known, keys[strange])
    first = np.empty(len(known), np.int64)
    first[codes] = np.arange(len(values))  # any row that has the value
    words = values[first]
    if not (words[codes] == values).all():  # two texts share a hash
        words, codes = np.unique(values, return_inverse=True)
        return codes, [word or None for word in words.tolist()]
    order = np.argsort(words)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], [word or None for word in words[order].tolist()]
