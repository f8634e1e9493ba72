"""Pairs of images that may be copies, by three exact searches: differing bits, cosine of thumbnails and of features."""

from __future__ import annotations

import numpy as np

from modelheir.selection.marks import Marked
from modelheir.selection.nearest import by_bits, by_cosine, unit
from modelheir.selection.settings import CopyConfig
from modelheir.selection.views import VIEWS, describe, describe_views

__all__ = ["propose"]

_PAIRS = 2048  #: pairs whose best view is looked for at once


def propose(pool: Marked, known: Marked, config: CopyConfig, *, views: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs ``(P, 2)`` of rows that may be copies, nearest first, and where each alignment begins ``(P, 4)``."""
    query = describe(pool.thumbnail)
    moves = VIEWS if views else VIEWS[:1]
    found = [
        by_bits(pool.hash, known.hash, k=config.candidates, most=config.hash_bits)[0],
        by_cosine(
            query,
            lambda part: describe_views(known.thumbnail[part], moves),
            len(known),
            k=config.candidates,
            least=config.similarity,
        )[0],
        by_cosine(
            unit(pool.features),
            lambda part: unit(known.features[part]),
            len(known),
            k=config.candidates,
            least=config.feature_similarity,
        )[0],
    ]
    pairs = np.unique(np.concatenate(found), axis=0)
    close, view = np.zeros(len(pairs)), np.zeros(len(pairs), dtype=np.int64)
    for start in range(0, len(pairs), _PAIRS):
        some = pairs[start : start + _PAIRS]
        every = np.einsum("pd,pvd->pv", query[some[:, 0]], describe_views(known.thumbnail[some[:, 1]]))
        close[start : start + len(some)], view[start : start + len(some)] = every.max(axis=1), every.argmax(axis=1)
    order = np.lexsort((pairs[:, 1], -close, pairs[:, 0]))
    return pairs[order], VIEWS[view[order]]
