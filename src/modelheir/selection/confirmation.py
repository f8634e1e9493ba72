"""Whether two images are copies: by keypoints, where an image has them, else by the correlation after alignment."""

from __future__ import annotations

import dataclasses

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


class Known:
    """What is kept of known images that were looked at closely."""

    def __init__(self, known: Marked, config: CopyConfig, most: int = 10_000) -> None:
        self.known, self.config, self.most = known, config, most
        self._kept: dict[int, tuple[Keypoints | None, np.ndarray, int]] = {}

    def at(self, row: int, *, sift: bool) -> tuple[Keypoints | None, np.ndarray, int]:
        """Return keypoints, the fitted picture and the shorter side of a row."""
        if row not in self._kept:
            if len(self._kept) >= self.most:
                self._kept.pop(next(iter(self._kept)))
            self._kept[row] = _closely(self.known.read(row), self.config, sift=sift)
        return self._kept[row]


def _closely(image: np.ndarray, config: CopyConfig, *, sift: bool) -> tuple[Keypoints | None, np.ndarray, int]:
    """Return keypoints, where there is SIFT, the fitted picture, and the shorter side in pixels."""
    points = keypoints(image, config) if sift else None
    return points, fitted(image).astype(np.uint8), min(image.shape[:2])


def confirm(pool: Marked, known: Known, pairs: np.ndarray, motion: np.ndarray, *, sift: bool) -> list[Copy]:
    """Look at proposed pairs; of the confirmed ones of a row the first counts, those by keypoints before others."""
    config = known.config
    seen = {int(row): _closely(pool.read(int(row)), config, sift=sift) for row in np.unique(pairs[:, 0])}
    found: dict[int, Copy] = {}
    left = []
    for place, (row, partner) in enumerate(pairs.tolist()):
        if row in found:
            continue
        points, _, side = seen[row]
        others, _, other_side = known.at(partner, sift=sift)
        if min(side, other_side) < config.smallest:
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
        first = np.stack([seen[int(row)][1] for row in pairs[some, 0]]).astype(np.float32)
        second = np.stack([known.at(int(row), sift=sift)[1] for row in pairs[some, 1]]).astype(np.float32)
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
