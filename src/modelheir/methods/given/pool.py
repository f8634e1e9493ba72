"""The labelled images and a pool without labels as one training split."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping

import numpy as np

from modelheir import data
from modelheir.checks import InputError
from modelheir.data.verify import decoded_bytes
from modelheir.methods.given.data import Data

__all__ = ["images_of_pool", "with_pool", "without_copies", "without_labels"]

_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


def with_pool(known: Data, pool: Data, *, flag: str) -> Data:
    """Return the data with a training split of the labelled images and the pool's: see :func:`images_of_pool`."""
    images = images_of_pool(known, pool, flag=flag)
    name = f"{known.splits['train'].name} and {images.name}"
    joined = data.join_sets([known.splits["train"], images], name=name)
    return dataclasses.replace(known, splits={**known.splits, "train": joined}, stores={})


def images_of_pool(known: Data, pool: Data, *, flag: str) -> data.ImageSet:
    """Return the images of a pool that can be trained on, without labels.

    A pool's image that is also one of ``known``, pixel for pixel, is left out where both fit ``inputs.resident_gib``:
    it would be seen twice, or be one that the model is evaluated on. One whose sample id is taken gets ``unlabelled/``
    before it.

    Args:
        known: The run's data.
        pool: Its only split is ``unlabelled``; the same class list.
        flag: How the user gave the pool, for messages.

    Raises:
        InputError: If nothing of the pool is left.
    """
    images, name = pool.splits["unlabelled"], pool.splits["unlabelled"].name
    held = {split: one for split, one in known.splits.items() if split != "unlabelled"}
    images = without_copies(images, held, resident_gib=known.inputs.resident_gib, flag=flag)
    if not len(images):
        raise InputError(f"{flag} {name}: every image of it is also in the data, so there is nothing without a label.")
    taken = {str(one) for split in held.values() for one in split.ids}
    ids = np.array([f"unlabelled/{one}" if str(one) in taken else str(one) for one in images.ids], dtype=str)
    return dataclasses.replace(images, ids=ids, labels=np.full(len(images), -1), columns={})


def without_copies(
    images: data.ImageSet, held: Mapping[str, data.ImageSet], *, resident_gib: float, flag: str
) -> data.ImageSet:
    """Leave out images that are in other sets too, pixel for pixel, and say so; or say that the sets are too large.

    Args:
        images: To be trained on.
        held: Split -> images that they must not be.
        resident_gib: Largest decoded set that is looked at.
        flag: How the user gave the images, for messages.
    """
    if any(decoded_bytes(one) > resident_gib * 2**30 for one in (images, *held.values())):
        found = "`modelheir select` finds them"
        _say(f"{flag} {images.name}: too large to look for copies of the evaluation images; {found}.")
        return images
    twice = {split: data.copies_in(images, [one]) for split, one in held.items()}
    gone = np.logical_or.reduce(list(twice.values()))
    if not gone.any():
        return images
    counts = ", ".join(f"{int(mask.sum()):,} of {split}" for split, mask in twice.items() if mask.any())
    some = ", ".join(map(str, images.ids[gone][:3]))
    _say(
        f"{flag} {images.name}: {int(gone.sum()):,} of {len(images):,} images are also in the data ({counts}; such as "
        f"{some}) and are left out."
    )
    return images.subset(~gone)


def without_labels(known: Data) -> Data:
    """Return the data with a training split whose labels nobody sees."""
    train = known.splits["train"]
    bare = dataclasses.replace(train, labels=np.full(len(train), -1))
    return dataclasses.replace(known, splits={**known.splits, "train": bare})
