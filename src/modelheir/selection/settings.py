"""Settings of looking for copies: what proposes a pair of images and what confirms it."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InRange

__all__ = ["CopyConfig"]


@dataclasses.dataclass(frozen=True)
class CopyConfig:
    """Thresholds of copies. Shares and cosines are fractions; "pixels" are those of the scaled image."""

    # against what
    train: bool = True  #: drop copies of training images too; they are told apart from those of val and test
    within: bool = True  #: drop copies within the pool; the first by id stays
    smallest: Annotated[int, AtLeast(1)] = 16  #: shorter side in pixels below which only the same pixels make a copy
    # what proposes a pair: any of the three
    candidates: Annotated[int, AtLeast(1)] = 20  #: nearest images that each of the three may propose
    hash_bits: Annotated[int, InRange(0, 63)] = 10  #: most differing bits of the 63 of the perceptual hash
    similarity: Annotated[float, InRange(-1, 1)] = 0.75  #: least cosine of thumbnails, over crops and turns of one
    feature_similarity: Annotated[float, InRange(-1, 1)] = 0.98  #: least cosine of the teacher's features
    # what confirms it: keypoints (SIFT), where the extra dedup is installed
    keypoints: Annotated[int, AtLeast(1)] = 500  #: most keypoints an image
    short_side: Annotated[int, AtLeast(16)] = 256  #: pixels that the shorter side is scaled to; up at most 4 times
    ratio: Annotated[float, InRange(0, 1)] = 0.75  #: a match is nearer than so much of the second nearest
    pixels: Annotated[float, Above(0)] = 3.0  #: largest error of a match under the common motion, in RANSAC
    inliers: Annotated[int, AtLeast(3)] = 12  #: least matches that share one motion
    inlier_share: Annotated[float, InRange(0, 1)] = 0.3  #: least share of them among all matches
    # what confirms it where keypoints cannot: correlation after alignment
    few: Annotated[int, AtLeast(0)] = 24  #: keypoints below which an image is left to the correlation
    tiny: Annotated[int, AtLeast(0)] = 64  #: shorter side in pixels below which the correlation may confirm as well
    correlation: Annotated[float, InRange(-1, 1)] = 0.96  #: least correlation of aligned images
    detail: Annotated[float, InRange(-1, 1)] = 0.7  #: least correlation of what a blur leaves over
    overlap: Annotated[float, InRange(0, 1)] = 0.5  #: least share of one image that the other has too
