"""The nearest images by cosine or by differing bits: exact, in blocks, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from modelheir.selection.marks import differing_bits

__all__ = ["by_bits", "by_cosine", "unit"]

_CELLS = 2**20  #: of a block of similarities, for one view


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return rows of length 1, float32; a row of zeros stays."""
    vectors = vectors.astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def by_cosine(
    queries: np.ndarray, references: Callable[[slice], np.ndarray], count: int, *, k: int, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find the ``k`` references that are nearest to each query.

    Args:
        queries: Unit vectors ``(N, D)``.
        references: Takes a slice of references and returns their unit vectors ``(R, D)``, or ``(R, V, D)`` where
            the nearest of several views of one counts.
        count: How many references there are.
        k: At most so many a query.
        least: Smallest cosine.

    Returns:
        Rows of pairs ``(P, 2)`` of query and reference, and their cosines ``(P,)``; nearest first, query by query; of
        equally near ones the first.

    Example:
        >>> pairs, cosine = by_cosine(np.eye(2), lambda part: np.eye(2)[part], 2, k=1, least=0.5)
        >>> pairs.tolist(), cosine.tolist()
        ([[0, 0], [1, 1]], [1.0, 1.0])
    """

    def closeness(part: slice) -> np.ndarray:
        vectors = references(part)
        if vectors.ndim == 2:
            return queries @ vectors.T
        size, views, width = vectors.shape
        return (queries @ vectors.reshape(-1, width).T).reshape(len(queries), size, views).max(axis=2)

    return _search(len(queries), count, k, closeness, least)


def by_bits(queries: np.ndarray, references: np.ndarray, *, k: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the references whose hashes differ least, at most ``most`` bits, as :func:`by_cosine` does.

    >>> by_bits(np.array([7], np.uint64), np.array([0, 6], np.uint64), k=2, most=2)[0].tolist()
    [[0, 1]]
    """

    def closeness(part: slice) -> np.ndarray:
        return -differing_bits(queries[:, None], references[None, part]).astype(np.float32)

    pairs, close = _search(len(queries), len(references), k, closeness, -most)
    return pairs, -close


def _search(
    queries: int, count: int, k: int, closeness: Callable[[slice], np.ndarray], least: float
) -> tuple[np.ndarray, np.ndarray]:
    step = max(_CELLS // max(queries, 1), 1)
    number = np.zeros((queries, 0), dtype=np.int64)
    value = np.zeros((queries, 0), dtype=np.float32)
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        found = closeness(part)
        some = np.argpartition(-found, min(k, found.shape[1]) - 1, axis=1)[:, :k]
        number = np.concatenate([number, some + start], axis=1)
        value = np.concatenate([value, np.take_along_axis(found, some, axis=1)], axis=1)
        order = np.lexsort((number, -value), axis=1)[:, :k]
        number, value = np.take_along_axis(number, order, axis=1), np.take_along_axis(value, order, axis=1)
    row, column = np.nonzero(value >= least)
    return np.stack([row, number[row, column]], axis=1), value[row, column]
