"""Train, val (for selection) and test (for reporting): given splits are kept, missing ones carved out of train."""

from __future__ import annotations

import functools
import logging
from typing import Any

import numpy as np

from modelheir.address import parse_data
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.carving import carve, keep_classes, training_part
from modelheir.data.history.opening import open_history
from modelheir.data.images import ImageSet
from modelheir.data.sources.table import open_source
from modelheir.data.verify import verified

__all__ = ["open_splits"]

_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


def open_splits(spec: str, config: InputConfig, *, labelled: bool = True) -> dict[str, ImageSet]:
    """Open a data set as ``train``, ``val`` and ``test`` (and ``unlabelled`` where given), checked and disjoint.

    Splits whose decoded images fit ``resident_gib`` are decoded here, once.

    Args:
        spec: Name of the data set, see :func:`modelheir.data.open_source`.
        config: Settings of reading and splitting.
        labelled: Whether there must be labelled images; if not, unlabelled images alone are opened too.

    Returns:
        Split name -> images; all splits have one class list, which is empty where all images are unlabelled.

    Raises:
        InputError: If there is no training split, only one class, an empty split, one id in two splits, or too
            many undecodable images.
    """
    steps = parse_data(spec).kind == "sequence"
    found = _of_history(spec, config) if steps else open_source(spec, config)
    if found.keys() == {"unlabelled"}:
        if labelled:
            raise InputError(f"{spec}: all images are unlabelled; training needs labels, such as class folders.")
        return {"unlabelled": verified(found["unlabelled"], config)}
    if "train" not in found:
        raise InputError(f"{spec}: there is no training split, only {', '.join(found)}.")
    if config.train_classes:
        found = {name: keep_classes(images, config.train_classes) for name, images in found.items()}
    if len(found["train"].classes) < 2:
        raise InputError(f"{spec}: there is only one class ({', '.join(found['train'].classes)}); two are needed.")
    _disjoint(found, spec)
    left = 1.0
    for name, fraction in (("test", config.test_fraction), ("val", config.val_fraction)):
        if name not in found:
            share = min(1.0, fraction / left) if left > 0 else 0.0
            found["train"], found[name] = carve(
                found["train"], share, seed=config.split_seed, name=name, keep_together=config.keep_together
            )
            left -= fraction
    if not steps:  # of a sequence, every step is reduced already
        found["train"] = training_part(found["train"], config)
    for name, images in found.items():
        if len(images) == 0:
            why = f" (no class has two values of {config.keep_together})" if config.keep_together else ""
            raise InputError(f"{spec}: the {name} split is empty{why}; give one, or raise inputs.{name}_fraction.")
    order = [name for name in ("train", "val", "test", "unlabelled") if name in found]
    return {name: verified(found[name], config) for name in order}


def _of_history(spec: str, config: InputConfig) -> dict[str, ImageSet]:
    """Open a sequence; say which settings of a run belong to it, as the data alone cannot set them."""
    history = open_history(spec, config)
    if history.settings:
        given = " ".join(f"--{key} {_words(value)}" for key, value in history.settings.items())
        _say(f"{spec} is in compat mode, whose networks were trained with {given}: give these too to repeat it.")
    return history.splits()


def _words(value: Any) -> str:
    return " ".join(f"{one:.6g}" for one in value) if isinstance(value, tuple) else str(value)


def _disjoint(found: dict[str, ImageSet], spec: str) -> None:
    names = list(found)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = np.intersect1d(found[first].ids, found[second].ids)
            if len(shared):
                raise InputError(
                    f"{spec}: {len(shared)} sample ids are in both {first} and {second}, "
                    f"the first is {str(shared[0])!r}."
                )
