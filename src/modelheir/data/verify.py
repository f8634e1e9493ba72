"""Find undecodable images before training starts, and decode a split once where it fits in memory."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.decode import DecodeError
from modelheir.data.images import ArrayPixels, ImageSet

__all__ = ["decoded_bytes", "each", "skip", "verified"]

_CHUNK = 256
_PROBES = 64
_log = logging.getLogger(__name__)


def verified(images: ImageSet, config: InputConfig) -> ImageSet:
    """Return the set without undecodable images; decoded, where it fits and all images have one size.

    A set that is too large to decode first has every header read (``verify: open``) or none (``verify: none``);
    what is then found in training is skipped there.

    Args:
        images: The set.
        config: ``resident_gib``, ``max_bad_share`` and ``verify`` count.

    Returns:
        A set with ``skipped`` naming what was left out.

    Raises:
        InputError: If more than ``max_bad_share`` of the images are undecodable, or one is too large.
    """
    if isinstance(images.pixels, ArrayPixels):
        return images
    if decoded_bytes(images) <= config.resident_gib * 2**30:
        return _decoded(images, config)
    if config.verify == "none":
        return images
    bad = each(images, lambda i: images.size(i) and None)
    return skip(images, bad, config)


def decoded_bytes(images: ImageSet) -> float:
    """Estimate the size of all images as 8-bit RGB, from the headers of up to 64 of them."""
    sizes = []
    for i in np.linspace(0, len(images) - 1, min(len(images), _PROBES)).astype(int):
        try:
            sizes.append(np.prod(images.size(int(i))))
        except DecodeError:
            continue
    return 3.0 * len(images) * float(np.mean(sizes)) if sizes else 0.0


def skip(images: ImageSet, bad: Sequence[tuple[int, str]], config: InputConfig) -> ImageSet:
    """Leave out the images ``bad`` (row and reason), count them, and name them in the log.

    Raises:
        InputError: If they are more than ``max_bad_share`` of the set.
    """
    if not bad:
        return images
    named = "; ".join(reason for _, reason in bad[:3]) + ("; ..." if len(bad) > 3 else "")
    message = f"{images.name}: {len(bad)} of {len(images)} images cannot be decoded ({named})"
    if len(bad) > config.max_bad_share * len(images):
        raise InputError(
            f"{message}, over the share inputs.max_bad_share = {config.max_bad_share:g}: mend or remove them, or "
            "raise it."
        )
    _log.warning("%s; they are skipped.", message)
    keep = np.ones(len(images), dtype=bool)
    keep[[row for row, _ in bad]] = False
    skipped = (*images.skipped, *(str(images.ids[row]) for row, _ in bad))
    return dataclasses.replace(images.subset(keep), skipped=skipped)


def _decoded(images: ImageSet, config: InputConfig) -> ImageSet:
    store: list[np.ndarray] = []
    uniform = [True]

    def keep(i: int) -> None:
        picture = images.image(i)
        if not store:
            store.append(np.zeros((len(images), *picture.shape), dtype=np.uint8))
        if store[0].shape[1:] == picture.shape:
            store[0][i] = picture
        else:
            uniform[0] = False

    first = each(images, keep, stop=1)
    bad = first + each(images, keep, start=1)
    kept = skip(images, bad, config)
    if not uniform[0] or not store:
        return kept
    rows = np.delete(np.arange(len(images)), [row for row, _ in bad])
    array = store[0] if not bad else store[0][rows]
    return dataclasses.replace(kept, pixels=ArrayPixels(array), rows=np.arange(len(kept)))


def each(
    images: ImageSet, read: Callable[[int], object], *, start: int = 0, stop: int | None = None
) -> list[tuple[int, str]]:
    """Call ``read`` for every row, on a few threads; return rows that raised ``DecodeError`` and why, in order."""

    def some(first: int) -> list[tuple[int, str]]:
        bad = []
        for i in range(first, min(first + _CHUNK, end)):
            try:
                read(i)
            except DecodeError as error:
                bad.append((i, str(error)))
        return bad

    end = len(images) if stop is None else min(stop, len(images))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return [item for part in pool.map(some, range(start, end, _CHUNK)) for item in part]
