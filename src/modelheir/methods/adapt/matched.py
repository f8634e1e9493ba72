"""Images of older steps that resemble the newest ones, by :mod:`modelheir.selection.matching`, on pixels."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from modelheir.checks import InputError
from modelheir.selection.matching import matched_chain

if TYPE_CHECKING:
    from modelheir.data import ImageSet
    from modelheir.methods.adapt.builder import Builder

__all__ = ["accept_matching", "matched_images", "matched_rows"]


def accept_matching(build: Builder) -> None:
    """Refuse a history with a step that lacks a class of the newest; reads labels alone.

    Raises:
        InputError: Names the step and the class.
    """
    wanted = np.unique(build.history.newest["train"].labels)
    for number, step in enumerate(build.history.steps[:-1]):
        absent = np.setdiff1d(wanted, step["train"].labels)
        if len(absent):
            raise InputError(
                f"method.joint.samples = {build.tuning.joint.samples!r}: step {number + 1} of {len(build.history)} has "
                f"no training image of class {build.history.classes[absent[0]]!r}, which the newest has: take all."
            )


def matched_images(build: Builder, how: str) -> dict[int, ImageSet]:
    """Return the training images of each step before the newest, as :func:`matched_rows` has them.

    The second time and later an image has another id, with its number before it.
    """
    found = {}
    for number, rows in matched_rows(build, how).items():
        images, seen, ids = build.on([number]).data.splits["train"], Counter[str](), []
        for one in images.ids[rows].tolist():
            seen[one] += 1
            ids.append(one if seen[one] == 1 else f"again{seen[one]}/{one}")
        columns = {key: values[rows] for key, values in images.columns.items()}
        found[number] = dataclasses.replace(
            images, ids=np.array(ids), labels=images.labels[rows], rows=images.rows[rows], columns=columns
        )
    return found


def matched_rows(build: Builder, how: str) -> dict[int, np.ndarray]:
    """Match by ``how``, ``nearest`` or ``optimal``.

    Distances are Euclidean, between pixels in evaluation's view; every process reads all images, so that all arrive at
    the same. Memory holds the pixels of all steps.

    Returns:
        For each step before the newest, rows of its training images, as many as the newest has, with repeats.
    """
    import torch

    kept, seen = [], []
    for number in range(len(build.history)):
        images = build.on([number]).data
        stream = images.stream("train", train=False, rank=0, world=1)
        batches = list(stream.epoch(0))
        ids = stream.ids[torch.cat([batch.index for batch in batches]).cpu().numpy()]
        place = {one: row for row, one in enumerate(images.splits["train"].ids.tolist())}
        kept.append(np.array([place[one] for one in ids.tolist()]))
        pixels = torch.cat([batch.inputs.flatten(1) for batch in batches]).float().cpu().numpy()
        seen.append((pixels, torch.cat([batch.labels for batch in batches]).cpu().numpy()))
    chain = matched_chain(seen, how="nearest" if how == "nearest" else "optimal")
    return {number: kept[number][chain[number]] for number in range(len(seen) - 1)}
