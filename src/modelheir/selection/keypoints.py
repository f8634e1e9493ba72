"""Keypoints of two images under one motion: SIFT, a ratio test, RANSAC. OpenCV's, which the extra ``dedup`` brings.

Lowe 2004, "Distinctive image features from scale-invariant keypoints": descriptors (section 6) and the ratio test
(section 7.1). Descriptors are compared as the square roots of their shares (RootSIFT, Arandjelovic and Zisserman 2012).
An image is scaled first, up as well as down: a picture of 32 pixels has few keypoints as it is.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, NamedTuple

import numpy as np

from modelheir.selection.marks import grey
from modelheir.selection.settings import CopyConfig

__all__ = ["Keypoints", "has_sift", "keypoints", "shared"]


_MOST_UP = 4  #: times that an image is scaled up, at most: more shows nothing new
_SCALES = (0.25, 4.0)  #: of a motion: one that shrinks a picture to a point would take every match


class Keypoints(NamedTuple):
    """Where they are, in pixels of the scaled image, and what they look like."""

    place: np.ndarray  #: float32 ``(K, 2)``
    look: np.ndarray  #: uint8 ``(K, 128)``

    def __len__(self) -> int:
        return self.place.shape[0]


def has_sift() -> bool:
    """Tell whether OpenCV is installed."""
    return importlib.util.find_spec("cv2") is not None


def keypoints(image: np.ndarray, config: CopyConfig) -> Keypoints:
    """Find the keypoints of uint8 ``(H, W, 3)``; none in a flat image."""
    cv2 = _opencv()
    height, width = image.shape[:2]
    scale = min(config.short_side / min(height, width), _MOST_UP)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    picture = cv2.resize(np.rint(grey(image)).astype(np.uint8), size, interpolation=way)
    points, look = cv2.SIFT_create(nfeatures=config.keypoints).detectAndCompute(picture, None)
    if look is None:
        return Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
    return Keypoints(np.array([one.pt for one in points], dtype=np.float32), look.astype(np.uint8))


def shared(first: Keypoints, second: Keypoints, config: CopyConfig) -> tuple[int, int]:
    """Count the matches of two images, and those of them that share one scale, turn and shift.

    The random choices of RANSAC are seeded, so that the counts of a pair are always the same.

    Returns:
        ``(matches, inliers)``.
    """
    cv2 = _opencv()
    if min(len(first), len(second)) < 2:
        return 0, 0
    a, b = _rooted(first.look), _rooted(second.look)
    away = np.sqrt(np.maximum(2 - 2 * a @ b.T, 0))  # of unit vectors
    two = np.argpartition(away, 1, axis=1)[:, :2]
    near = np.take_along_axis(away, two, axis=1)
    nearest, best = two[np.arange(len(two)), near.argmin(axis=1)], near.min(axis=1)
    rows = np.flatnonzero(best < config.ratio * near.max(axis=1))
    rows = rows[np.argsort(best[rows], kind="stable")]
    rows = rows[np.unique(nearest[rows], return_index=True)[1]]  # no keypoint is met twice: the nearest has it
    if len(rows) < 3:
        return len(rows), 0
    cv2.setRNGSeed(0)
    motion, inside = cv2.estimateAffinePartial2D(
        first.place[rows], second.place[nearest[rows]], method=cv2.RANSAC, ransacReprojThreshold=config.pixels
    )
    if motion is None or not _SCALES[0] <= np.hypot(motion[0, 0], motion[1, 0]) <= _SCALES[1]:
        return len(rows), 0
    return len(rows), int(inside.sum())


def _opencv() -> Any:
    return importlib.import_module("cv2")


def _rooted(look: np.ndarray) -> np.ndarray:
    share = look.astype(np.float32)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
    return np.sqrt(share)
