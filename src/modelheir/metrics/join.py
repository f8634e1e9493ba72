"""Rows that belong together: the same images in two files, found by sample id whatever the order.

Ids are joined by 64-bit hashes, and every pair found is then compared as text; where a hash is shared by two ids, or
the files do not match, an exact pass over the texts decides and names them.
"""

from __future__ import annotations

import numpy as np

from modelheir.checks import InputError
from modelheir.classes import renumber
from modelheir.printable import shorten
from modelheir.types import Predictions

__all__ = ["find_rows", "match_rows", "name_ids", "pair_rows", "renumber_labels", "text_hash"]


def pair_rows(
    reference: Predictions,
    other: Predictions,
    *,
    numbers: np.ndarray | None = None,
    names: tuple[str, str] = ("the first file", "the second file"),
) -> np.ndarray | None:
    """Find the images of ``reference`` in ``other``: the one place where rows of predictions meet.

    Args:
        reference: Predictions of ``N`` images.
        other: Predictions of the same images, in any order.
        numbers: The reference's number of each class of ``other``; ``None``: both number the classes alike.
        names: What to call the two in errors.

    Returns:
        ``(N,)`` int64, the row in ``other`` of each image; ``None``: both have the same order.

    Raises:
        InputError: If ids repeat, one side has ids that the other lacks, or the labels differ.

    Example:
        >>> one, two = (Predictions(np.array(list(ids)), np.array([0, 0]), np.array([0, 1])) for ids in ("ab", "ba"))
        >>> pair_rows(one, two).tolist()
        [1, 0]
    """
    rows = match_rows(reference.sample_id, other.sample_id, names=names)
    in_order = bool((rows == np.arange(len(rows))).all())
    label = np.asarray(other.label)
    different = np.asarray(reference.label) != renumber_labels(label if in_order else label[rows], numbers)
    if different.any():
        ids = name_ids(np.asarray(reference.sample_id)[different][:6])
        mixed = _only_numbers(reference) != _only_numbers(other)
        raise InputError(
            f"{names[1]} has another label than {names[0]} for {int(different.sum()):,} images ({ids}): "
            "the files do not describe the same data"
            + (
                ", or one numbers the classes that the other names: give it their names with --classes FILE."
                if mixed
                else "."
            )
        )
    return None if in_order else rows


def renumber_labels(values: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    """Return class numbers in another numbering, ``-1`` (no label) as it is; ``None`` changes nothing.

    >>> renumber_labels(np.array([0, 1, -1]), np.array([5, 3])).tolist()
    [5, 3, -1]
    """
    return values if numbers is None else renumber(values, numbers)


def _only_numbers(found: Predictions) -> bool:
    return all(name.isdigit() for name in found.classes or ())


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


def find_rows(ids: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return for each of ``ids`` its row in ``among``, ``-1`` where it is not there.

    Args:
        ids: Text ids, shape ``(N,)``.
        among: Text ids, unique, shape ``(M,)``.

    Example:
        >>> find_rows(np.array(["c", "x", "a"]), np.array(["a", "b", "c"])).tolist()
        [2, -1, 0]
    """
    place = {text: row for row, text in enumerate(np.asarray(among).tolist())}
    return np.array([place.get(text, -1) for text in np.asarray(ids).tolist()], np.int64)


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
