"""Rows that belong together: the same images in two files, found by sample id whatever the order.

Ids are joined by 64-bit hashes, and every pair found is then compared as text; where a hash is shared by two ids, or
the files do not match, an exact pass over the texts decides and names them.
"""

from __future__ import annotations

import numpy as np

from modelheir.checks import InputError
from modelheir.printable import shorten

__all__ = ["match_rows", "name_ids", "text_hash"]


def name_ids(ids: np.ndarray) -> str:
    """Name the first five ids.

    >>> name_ids(np.array(["a", "b"]))
    'a, b'
    """
    return ", ".join(shorten(str(name)) for name in ids[:5]) + (", ..." if len(ids) > 5 else "")


def text_hash(texts: np.ndarray) -> np.ndarray:
    """Return 64-bit hashes ``(N,)`` of texts; equal texts have equal hashes, whatever the width of the array.

    >>> bool(text_hash(np.array(["a", "b"]))[0] == text_hash(np.array(["a", "longer"]))[0])
    True
    """
    texts = np.ascontiguousarray(texts, dtype=np.str_)
    width = texts.dtype.itemsize // 4
    factors = np.random.default_rng(7).integers(1, 2**63, max(width, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    letters = texts.view(np.uint32).reshape(len(texts), width)
    found = np.zeros(len(texts), np.uint64)
    for place in range(width):  # the sum over places wraps at 2**64, and padding adds nothing
        found += letters[:, place] * factors[place]
    return found


def match_rows(
    reference: np.ndarray, ids: np.ndarray, *, names: tuple[str, str] = ("the first file", "the second file")
) -> np.ndarray:
    """Return for each id of ``reference`` the row of ``ids`` that has it.

    Args:
        reference: Text ids, unique, shape ``(N,)``.
        ids: Text ids, unique, the same set in any order, shape ``(N,)``.
        names: What to call the two in errors.

    Returns:
        Row numbers ``(N,)``, int64, with ``ids[rows] == reference``.

    Raises:
        InputError: If ids repeat or one side has ids that the other lacks; counted, the first five named.

    Example:
        >>> match_rows(np.array(["a", "b", "c"]), np.array(["c", "a", "b"])).tolist()
        [1, 2, 0]
    """
    reference, ids = np.asarray(reference), np.asarray(ids)
    if reference.dtype.kind == ids.dtype.kind == "U" and len(reference) == len(ids):
        left, right = text_hash(reference), text_hash(ids)
        by_left, by_right = np.argsort(left), np.argsort(right)
        ranked = left[by_left]
        if (ranked == right[by_right]).all() and (ranked[1:] != ranked[:-1]).all():
            rows = np.empty(len(ids), np.int64)
            rows[by_left] = by_right
            if (ids[rows] == reference).all():
                return rows
    return _exact(reference.tolist(), ids.tolist(), names)


def _exact(reference: list[str], ids: list[str], names: tuple[str, str]) -> np.ndarray:
    """Join by the texts themselves."""
    places: list[dict[str, int]] = []
    for name, texts in zip(names, (reference, ids), strict=True):
        place = {text: row for row, text in enumerate(texts)}
        if len(place) < len(texts):
            again = list(dict.fromkeys(text for row, text in enumerate(texts) if place[text] != row))
            named = name_ids(np.array(again[:6]))
            raise InputError(f"{name} repeats {len(again):,} sample ids ({named}): keep one row each.")
        places.append(place)
    parts = []
    for here, there in ((0, 1), (1, 0)):
        gone = [text for text in places[here] if text not in places[there]]
        if gone:
            named = name_ids(np.array(gone[:6]))
            parts.append(f"{names[there]} lacks {len(gone):,} sample ids of {names[here]} ({named})")
    if parts:
        raise InputError("; ".join(parts) + ": compare files that hold the same images.")
    return np.array([places[1][text] for text in reference], np.int64)
