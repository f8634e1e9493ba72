"""Copies of known images in a pool: exact ones, then near ones, each proposed by one search and confirmed by another.

Proposed by the perceptual hash, by the cosine of thumbnails over crops and turns of the known image, and by the
cosine of the teacher's features. Confirmed by keypoints, where the extra ``dedup`` is installed; where an image has few
of them or is tiny, and without the extra, by the correlation after alignment. All numbers are settings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from modelheir.selection.confirmation import Copy, Known, confirm
from modelheir.selection.marks import Marked
from modelheir.selection.proposals import propose
from modelheir.selection.settings import CopyConfig

__all__ = ["find_copies", "find_copies_within"]

_BLOCK = 4096  #: images of the pool that are searched for at once
_STEP = 64  #: images of the pool that are looked at closely at once


def find_copies(
    pool: Marked,
    known: Marked,
    config: CopyConfig,
    *,
    sift: bool,
    views: bool = True,
    advance: Callable[[int], None] | None = None,
) -> list[Copy]:
    """Find the rows of ``pool`` that are copies of a row of ``known``.

    Args:
        pool: The pool.
        known: What must not be in it.
        config: Thresholds.
        sift: Whether keypoints can be had; see :func:`~modelheir.selection.keypoints.has_sift`.
        views: Search crops and turns of the known images too; costs 26 times as much.
        advance: Called with the number of images of the pool that are done.

    Returns:
        One copy a row at most, in the order of the rows; with the nearest partner that is confirmed.
    """
    found = _exact(pool, known)
    done = np.zeros(len(pool), dtype=bool)
    done[[one.row for one in found]] = True
    rest = np.flatnonzero(~done)
    look = Known(known, config)
    if advance:
        advance(len(found))
    for start in range(0, len(rest), _BLOCK):
        rows = rest[start : start + _BLOCK]
        block = pool.take(rows)
        pairs, motion = propose(block, known, config, views=views)
        for one in _confirmed(block, look, pairs, motion, sift=sift, advance=advance):
            found.append(dataclasses.replace(one, row=int(rows[one.row])))
    return sorted(found, key=lambda one: one.row)


def find_copies_within(
    pool: Marked, config: CopyConfig, *, sift: bool, advance: Callable[[int], None] | None = None
) -> list[Copy]:
    """Find the rows of ``pool`` that are copies of an earlier row, which may be such a copy itself.

    So the first of a chain of copies stays. Crops and turns are not searched for; arguments as in
    :func:`find_copies`.
    """
    found = {one.row: one for one in _exact(pool, pool) if one.partner < one.row}
    rest = np.setdiff1d(np.arange(len(pool)), list(found))
    left = pool.take(rest)
    look = Known(left, config)
    if advance:
        advance(len(found))
    for start in range(0, len(rest), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(rest)))
        pairs, motion = propose(left.take(rows), left, config, views=False)
        pairs[:, 0] += start
        later = pairs[:, 1] < pairs[:, 0]
        for one in _confirmed(left, look, pairs[later], motion[later], sift=sift, advance=advance, rows=rows):
            row, partner = int(rest[one.row]), int(rest[one.partner])
            found[row] = dataclasses.replace(one, row=row, partner=partner)
    return [found[row] for row in sorted(found)]


def _exact(pool: Marked, known: Marked) -> list[Copy]:
    first: dict[bytes, int] = {}
    for row, digest in enumerate(known.content.tolist()):
        first.setdefault(digest, row)
    return [
        Copy(row, first[digest], "exact", 1.0) for row, digest in enumerate(pool.content.tolist()) if digest in first
    ]


def _confirmed(
    pool: Marked,
    known: Known,
    pairs: np.ndarray,
    motion: np.ndarray,
    *,
    sift: bool,
    advance: Callable[[int], None] | None,
    rows: np.ndarray | None = None,
) -> Iterator[Copy]:
    """Confirm the pairs of some rows of the pool at a time, so that little is held and a person sees it go on."""
    every = np.arange(len(pool)) if rows is None else rows
    for start in range(0, len(every), _STEP):
        some = every[start : start + _STEP]
        here = slice(*np.searchsorted(pairs[:, 0], [some[0], some[-1] + 1]))
        yield from confirm(pool, known, pairs[here], motion[here], sift=sift)
        if advance:
            advance(len(some))
