"""Splits of stored views: for each split of images, the vectors that several encoders gave, joined by sample id."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from modelheir.checks import InputError
from modelheir.data.images import ImageSet
from modelheir.data.vectors import VectorSet, join_views
from modelheir.embeddings import StoredView, open_view

__all__ = ["view_sets"]


def view_sets(
    folders: Sequence[Path | str], splits: Mapping[str, ImageSet | VectorSet], *, max_missing_share: float = 0.0
) -> dict[str, VectorSet]:
    """Read views that ``modelheir embed`` wrote as the splits of a run.

    The splits say which samples, in which order, with which labels, classes and columns: labels that a run hides (-1)
    stay hidden. The views may hold further samples, in any order. Only what a batch needs is read from disk.

    Args:
        folders: One a view, at least one.
        splits: Such as ``modelheir.data.open_splits`` gives; no pixel is read.
        max_missing_share: Share of a split's samples, 0 to 1, that a view may lack; they are left out and counted in
            the log.

    Returns:
        Split name -> its samples, one view a folder in that order.

    Raises:
        InputError: If a view is not whole, holds NaN, or labels a sample otherwise than the split does (so that ids
            mean other images there); or if more samples are missing; names the view and a sample.
    """
    if not folders:
        raise InputError("no view is given: name at least one folder that `modelheir embed` wrote.")
    opened = [open_view(folder) for folder in folders]
    return {name: _joined(images, opened, max_missing_share) for name, images in splits.items()}


def _joined(images: ImageSet | VectorSet, opened: Sequence[StoredView], max_missing_share: float) -> VectorSet:
    """Join views to the samples of a split: they stand first, with vectors of no numbers, and are then taken away."""
    samples = VectorSet(
        name=images.name,
        classes=images.classes,
        ids=images.ids,
        labels=images.labels,
        views=(np.zeros((1, 0), dtype=np.float32),),
        rows=np.zeros((len(images), 1), dtype=np.int64),
        columns=images.columns,
    )
    found = join_views([samples, *(_whole(one, images.classes) for one in opened)], max_missing_share=max_missing_share)
    if not len(found):
        raise InputError(f"{images.name}: none of its samples is in all of {', '.join(str(v.folder) for v in opened)}.")
    return dataclasses.replace(found, views=found.views[1:], rows=found.rows[:, 1:])


def _whole(view: StoredView, classes: tuple[str, ...]) -> VectorSet:
    """Return all of a view, its labels by the numbers of ``classes``; -1 where they lack a class."""
    number = {name: place for place, name in enumerate(classes)}
    ours = np.array([*(number.get(name, -1) for name in view.facts.classes), -1], dtype=np.int64)
    return VectorSet(
        name=str(view.folder),
        classes=classes,
        ids=view.rows.ids,
        labels=ours[view.rows.labels],
        views=(view.vectors,),
        rows=view.places[:, None],
    )
