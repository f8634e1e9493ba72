"""Class lists: names from whatever a source gives, and numbers that agree over all splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelheir.checks import InputError
from modelheir.classes import match_classes

__all__ = ["number_labels", "same_classes"]

_UNLABELLED = ("", "-1")


def number_labels(raw: Mapping[str, Sequence[Any]], *, where: str) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Turn the labels of every split into class numbers.

    The class list is the distinct labels of the training split (of all splits where there is none), sorted as numbers
    if all are whole numbers, else as text. Missing values and -1 are unlabelled.

    Args:
        raw: Split -> labels, each whole numbers or text.
        where: Name of the source, for messages.

    Returns:
        The class names, and split -> int64 class numbers.

    Raises:
        InputError: If a split has a label that the training split lacks, or a number is below -1.

    Example:
        >>> number_labels({"train": ["7", "3", None], "val": ["7"]}, where="list")
        (('3', '7'), {'train': array([ 1,  0, -1]), 'val': array([1])})
    """
    text = {split: ["" if value is None else str(value).strip() for value in values] for split, values in raw.items()}
    every = {value for values in text.values() for value in values}.difference(_UNLABELLED)
    known = set(text["train"]).difference(_UNLABELLED) if "train" in text else every
    numbers = all(value.lstrip("-").isdecimal() for value in every)
    if numbers and any(int(value) < 0 for value in every):
        raise InputError(
            f"{where}: label {min(every, key=int)} is outside the class list; only -1 (unlabelled) is below 0."
        )
    classes = tuple(sorted(known, key=int) if numbers else sorted(known))
    number = {name: i for i, name in enumerate(classes)} | dict.fromkeys(_UNLABELLED, -1)
    for split, values in text.items():
        stray = sorted({value for value in values if value not in number})
        if stray:
            raise InputError(f"{where}: the {split} split has labels outside the class list of train: {_some(stray)}.")
    return classes, {split: np.array([number[v] for v in values], dtype=np.int64) for split, values in text.items()}


def same_classes(found: Mapping[str, Sequence[str]], *, where: str) -> tuple[str, ...]:
    """Return the class list that all splits share.

    Raises:
        InputError: Names the classes that one split has and another lacks.
    """
    (first, reference), *others = found.items()
    for split, names in others:
        matched = match_classes(reference, names, may_differ=True)
        lacks = ((split, sorted(matched.lacking)), (first, sorted(matched.further)))
        parts = [f"{side} lacks {_some(absent)}" for side, absent in lacks if absent]
        if parts:
            raise InputError(f"{where}: the class lists of {first} and {split} differ: {'; '.join(parts)}.")
    return tuple(reference)


def _some(names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
