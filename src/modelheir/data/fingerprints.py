"""A hash that tells whether two data sets are the same, on any machine.

``content`` covers ids, labels and the class list. ``pixels`` covers the decoded images: all of them, or up to
``sample`` evenly spaced ones without those that cannot be decoded, and says how many.
"""

from __future__ import annotations

import hashlib
from typing import TypedDict

import numpy as np

from modelheir import checks
from modelheir.data.decode import DecodeError
from modelheir.data.images import ImageSet
from modelheir.data.vectors import VectorSet

__all__ = ["Fingerprint", "fingerprint"]


class Fingerprint(TypedDict):
    """What is kept with a run."""

    name: str
    images: int
    content: str  #: SHA-256 of classes, ids and labels, in order
    pixels: str  #: SHA-256 of decoded images, in order
    images_hashed: int  #: how many images ``pixels`` covers


def fingerprint(images: ImageSet | VectorSet, *, sample: int = 256) -> Fingerprint:
    """Hash a split.

    Args:
        images: The split, of images or of vectors.
        sample: Most images whose pixels (or vectors whose numbers) are hashed, ``>= 0``; 0 hashes all.

    Returns:
        JSON-able values; equal for equal data whatever the machine, the loader or the folder.
    """
    checks.at_least(0, sample=sample)
    content, pixels = hashlib.sha256(), hashlib.sha256()
    for word in (*images.classes, "", *images.ids):
        content.update(str(word).encode() + b"\0")
    content.update(images.labels.astype("<i8").tobytes())
    chosen = len(images) if sample == 0 else min(sample, len(images))
    count = 0
    for i in np.linspace(0, len(images) - 1, chosen).round().astype(int):
        try:
            arrays = images.read(np.array([i])) if isinstance(images, VectorSet) else (images.image(int(i)),)
        except DecodeError:  # named and counted where it is met in training or evaluation
            continue
        count += 1
        for one in arrays:
            pixels.update(np.array(one.shape, dtype="<i8").tobytes() + np.ascontiguousarray(one).tobytes())
    return Fingerprint(
        name=images.name,
        images=len(images),
        content=content.hexdigest(),
        pixels=pixels.hexdigest(),
        images_hashed=count,
    )
