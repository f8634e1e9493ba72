"""Carve a part out of a set of images.

Which sample goes where depends on its id and the split seed alone: within each class the ids are ranked by a hash.
So a smaller training fraction is a subset of a larger one, and the order of files on disk does not matter. With
``keep_together`` whole groups (a patient, a camera, a day) are carved, ranked by the hash of their value.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from modelheir import checks
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ImageSet
from modelheir.data.label_noise import noisy_labels

__all__ = ["carve", "first_share", "keep_classes", "ranked", "training_part"]


def keep_classes(images: ImageSet, names: tuple[str, ...]) -> ImageSet:
    """Keep images of the named classes (and unlabelled ones); the class list becomes ``names`` in the set's order."""
    for name in names:
        if name not in images.classes:
            raise checks.unknown("class", name, images.classes)
    kept = tuple(name for name in images.classes if name in names)
    number = np.array([kept.index(name) if name in kept else -2 for name in images.classes] + [-1])
    labels = number[images.labels]
    mask = labels >= -1
    subset = images.subset(mask)
    return dataclasses.replace(subset, classes=kept, labels=labels[mask])


def carve(
    images: ImageSet, fraction: float, *, seed: int, name: str, keep_together: str = ""
) -> tuple[ImageSet, ImageSet]:
    """Split off a stratified part; unlabelled images stay.

    Args:
        images: The set to split.
        fraction: Share of every class, 0 to 1, rounded; a class of two or more images (groups) gives at least one and
            keeps at least one, a class of one gives none.
        seed: Of the choice.
        name: Name of the part, which also keys the choice.
        keep_together: A column; images of one value of it stay together, the unlabelled among them too. Such a group
            counts as of the class that most of its images have, and the share is met as nearly as whole groups allow.
            An image whose value is missing is on its own. Empty: every image is on its own.

    Returns:
        The rest and the part, both in the order of ``images``.

    Raises:
        InputError: If there is no such column.
        ValueError: If the fraction is out of range.
    """
    checks.in_range(0, 1, fraction=fraction)
    units, labels, sizes, unit = _units(images, keep_together)
    chosen = np.zeros(len(units), dtype=bool)
    if fraction > 0:
        for members in ranked(units, labels, len(images.classes), f"{name}:{seed}"):
            reached = np.cumsum(sizes[members])
            wanted = round(fraction * int(reached[-1]))
            last = int(np.searchsorted(reached, wanted))
            if last and reached[last] - wanted > wanted - reached[last - 1]:
                last -= 1
            chosen[members[: min(last + 1, len(members) - 1)]] = True
    taken = chosen[unit]
    stem = images.name
    return images.subset(~taken), images.subset(taken, name=f"{stem} ({name} part)")


def first_share(images: ImageSet, fraction: float, *, per_class: int = 0, seed: int) -> ImageSet:
    """Keep a stratified share of the labelled images; a smaller share is a subset of a larger one.

    Args:
        images: The set.
        fraction: Share of every class, above 0 to 1, rounded up.
        per_class: Most images a class; 0 sets no limit.
        seed: Of the choice.

    Returns:
        The kept images in the order of ``images``; unlabelled ones all stay.
    """
    if fraction == 1 and per_class == 0:
        return images
    kept = images.labels == -1
    for members in ranked(images.ids, images.labels, len(images.classes), f"share:{seed}"):
        count = int(np.ceil(round(fraction * len(members), 9)))
        kept[members[: min(count, per_class) if per_class else count]] = True
    return images.subset(kept)


def _units(images: ImageSet, column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return names, classes and labelled images of what stays together, and the number of each image's unit."""
    if not column:
        return images.ids, images.labels, np.ones(len(images), dtype=np.int64), np.arange(len(images))
    if column not in images.columns:
        raise checks.unknown(f"column in inputs.keep_together, of {images.name}:", column, images.columns)
    keys = [
        str(own) if value in (None, "") or value != value else f"group:{value}"  # the second: not a number
        for own, value in zip(images.ids, images.columns[column].tolist(), strict=True)
    ]
    units, unit = np.unique(np.array(keys, dtype=str), return_inverse=True)
    known = images.labels >= 0
    pairs, votes = np.unique(np.stack([unit[known], images.labels[known]]), axis=1, return_counts=True)
    order = np.lexsort((-pairs[1], votes))  # the most votes last, of equals the first class
    labels = np.full(len(units), -1)
    labels[pairs[0][order]] = pairs[1][order]
    return units, labels, np.bincount(unit[known], minlength=len(units)), unit


def ranked(names: np.ndarray, labels: np.ndarray, classes: int, key: str) -> list[np.ndarray]:
    """Rank the members of each class by a hash of their names.

    Args:
        names: ``(N,)``, such as sample ids; their text is hashed.
        labels: Integers ``(N,)``; -1, no label, is left out.
        classes: How many there are, ``C``.
        key: Of the hash, at most 64 bytes: another key, another order.

    Returns:
        Rows, an array for each class that has any, by rising class.
    """
    salt = key.encode()
    hashes = np.array(
        [
            int.from_bytes(hashlib.blake2b(str(name).encode(), digest_size=8, key=salt).digest(), "big")
            for name in names
        ],
        dtype=np.uint64,
    )
    order = np.lexsort((hashes, labels))
    of_class = np.split(order, np.searchsorted(labels[order], np.arange(classes)))
    return [members for members in of_class[1:] if len(members)]


def training_part(images: ImageSet, config: InputConfig) -> ImageSet:
    """Return what of the training images is trained on, and with which labels, as the settings say."""
    found = first_share(images, config.train_fraction, per_class=config.train_per_class, seed=config.split_seed)
    if not config.label_noise:
        return found
    noisy = noisy_labels(found.labels, config.label_noise, classes=len(found.classes), seed=config.split_seed)
    return dataclasses.replace(found, labels=noisy)
