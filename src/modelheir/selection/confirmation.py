"""Whether two images are copies: by keypoints, where an image has them, else by the correlation after alignment."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from modelheir.selection.alignment import Aligned, align, fitted
from modelheir.selection.keypoints import Keypoints, keypoints, shared
from modelheir.selection.marks import Marked
from modelheir.selection.settings import CopyConfig

__all__ = ["REASONS", "Copy", "Known", "confirm"]

REASONS = {
    "exact": "the same pixels",
    "keypoints": "keypoints share one motion; the score counts them",
    "correlation": "the aligned pictures agree; the score is their correlation",
}
_PAIRS = 512  #: pairs that are aligned at once


@dataclasses.dataclass(frozen=True)
class Copy:
    """A row of the pool that is a copy."""

    row: int
    partner: int  #: row of what it is a copy of
    reason: str  #: a key of :data:`REASONS`
    score: float


class _Look(NamedTuple):
    """What an image looks like from near."""

    points: Keypoints | None  #: none where there is no SIFT
    picture: np.ndarray  #: uint8, fitted
    side: int  #: the shorter one, in pixels


class Known:
    """What is kept of known images that were looked at closely."""

    def __init__(self, known: Marked, config: CopyConfig, most: int = 10_000) -> None:
        self.known, self.config, self.most = known, config, most
        self._kept: dict[int, _Look] = {}

    def look(self, rows: Iterable[int], *, sift: bool) -> None:
        """Look at rows that were not looked at before, on all cores."""
        new = [row for row in rows if row not in self._kept]
        for row in list(self._kept)[: max(len(self._kept) + len(new) - self.most, 0)]:
            del self._kept[row]
        self._kept |= _looked_at(self.known.read, new, self.config, sift=sift)

    def at(self, row: int, *, sift: bool) -> _Look:
        """Return what a row looks like."""
        if row not in self._kept:
            self.look([row], sift=sift)
        return self._kept[row]


def _looked_at(
    read: Callable[[int], np.ndarray], rows: Iterable[int], config: CopyConfig, *, sift: bool
) -> dict[int, _Look]:
    """Return what rows look like: images are read one after another, a few at a time, and looked at on all cores."""
    found: dict[int, _Look] = {}
    cores, waiting = os.cpu_count() or 1, list(rows)
    look = functools.partial(_closely, config=config, sift=sift)
    with ThreadPoolExecutor(cores) as threads:
        for start in range(0, len(waiting), 4 * cores):
            some = waiting[start : start + 4 * cores]
            found |= zip(some, threads.map(look, [read(row) for row in some]), strict=True)
    return found


def _closely(image: np.ndarray, config: CopyConfig, *, sift: bool) -> _Look:
    """Look at an image; one that is too small to be compared has nothing to be compared."""
    side = min(image.shape[:2])
    points = keypoints(image, config) if sift and side >= config.smallest else None
    return _Look(points, fitted(image).astype(np.uint8), side)


def confirm(pool: Marked, known: Known, pairs: np.ndarray, motion: np.ndarray, *, sift: bool) -> list[Copy]:
    """Look at proposed pairs; of the confirmed ones of a row the first counts, those by keypoints before others."""
    config = known.config
    seen = _looked_at(pool.read, np.unique(pairs[:, 0]).tolist(), config, sift=sift)
    large = np.array([seen[row].side >= config.smallest for row in pairs[:, 0].tolist()], dtype=bool)
    pairs, motion = pairs[large], motion[large]
    known.look(np.unique(pairs[:, 1]).tolist(), sift=sift)
    found: dict[int, Copy] = {}
    left = []
    for place, (row, partner) in enumerate(pairs.tolist()):
        if row in found:
            continue
        points, _, side = seen[row]
        others, _, other_side = known.at(partner, sift=sift)
        if other_side < config.smallest:
            continue
        if points is None or others is None:
            left.append(place)
            continue
        matches, inliers = shared(points, others, config)
        if inliers >= config.inliers and inliers >= config.inlier_share * matches:
            found[row] = Copy(row, partner, "keypoints", float(inliers))
        elif min(len(points), len(others)) < config.few or min(side, other_side) < config.tiny:
            left.append(place)
    left = [place for place in left if int(pairs[place, 0]) not in found]
    for start in range(0, len(left), _PAIRS):
        some = np.array(left[start : start + _PAIRS])
        first = np.stack([seen[int(row)].picture for row in pairs[some, 0]]).astype(np.float32)
        second = np.stack([known.at(int(row), sift=sift).picture for row in pairs[some, 1]]).astype(np.float32)
        aligned = align(first, second, motion[some])
        good = _agrees(aligned, config)
        for place, score in zip(some[good], aligned.correlation[good], strict=True):
            row, partner = map(int, pairs[place])
            found.setdefault(row, Copy(row, partner, "correlation", float(score)))
    return list(found.values())


def _agrees(aligned: Aligned, config: CopyConfig) -> np.ndarray:
    """Tell which pairs are copies by their correlation, ``(N,)``."""
    return (
        (aligned.correlation >= config.correlation)
        & (aligned.detail >= config.detail)
        & (aligned.overlap >= config.overlap)
        & (aligned.bits <= config.hash_bits)
    )
