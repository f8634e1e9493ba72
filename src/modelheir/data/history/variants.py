"""Changed copies of training images, made once and kept beside them: mirrored, turned, and cut to their middle.

The published program of Seq-to-Final (Ji, Alaa and Sontag, 2024, arXiv 2407.09642) has them, though no command of it
asks for them: each image and its mirror image, turned by 0, 5, 10 and 15 degrees either way, 14 in all; with crops each
of these also as its middle 30, 28, 26 and 24 of 32 pixels, enlarged, 70 in all.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from modelheir.data.images import ArrayPixels, ImageSet
from modelheir.data.shifts.blocks import rotate
from modelheir.data.shifts.graded import GRADED

__all__ = ["VARIANTS", "add_variants"]

VARIANTS = ("none", "turns", "turns_and_crops")

_TURNS = (0, 5, -5, 10, -10, 15, -15)  #: degrees, counter-clockwise


def add_variants(images: ImageSet, kind: str, *, drawn: int = 0, random: np.random.Generator) -> ImageSet:
    """Return a set with variants of each image in a row, the image itself the first of them unless they are drawn.

    Args:
        images: Of one size, decoded.
        kind: One of :data:`VARIANTS`; ``none`` changes nothing.
        drawn: How many of an image's variants are kept, drawn without replacement; 0 keeps all.
        random: Of the draw.

    Returns:
        Sample ids of variants have their mirror, turn and crop behind the image's.
    """
    if kind == "none" or images.array is None:
        return images
    crops = range(5 if kind == "turns_and_crops" else 1)
    every = list(itertools.product((0, 1), _TURNS, crops))
    count = min(drawn, len(every)) or len(every)
    chosen = np.tile(np.arange(len(every)), (len(images), 1))
    if drawn:
        chosen = random.permuted(chosen, axis=1)[:, :count]
    rows = np.repeat(np.arange(len(images)), count)
    mirror, turn, crop = np.array(every)[chosen.ravel()].T
    pixels = images.array[rows]
    pixels = np.where((mirror == 1)[:, None, None, None], pixels[:, :, ::-1], pixels)
    pixels = GRADED["crop_zoom"][0](rotate(pixels, turn.astype(np.float64)), crop, random)
    names = [("/mirrored" * m) + (f"/turned{t:+d}" if t else "") + (f"/cut{c}" if c else "") for m, t, c in every]
    found = images.subset(rows[:0])
    return dataclasses.replace(
        found,
        ids=np.array([f"{images.ids[row]}{names[one]}" for row, one in zip(rows, chosen.ravel(), strict=True)]),
        labels=images.labels[rows],
        pixels=ArrayPixels(pixels),
        rows=np.arange(len(rows)),
        columns={key: values[rows] for key, values in images.columns.items()},
    )
