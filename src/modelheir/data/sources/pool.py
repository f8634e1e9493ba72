"""A source read for its images alone: all of them, whatever their folders or labels, as one unlabelled set."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from modelheir.address import parse_data
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ImageSet, join_sets
from modelheir.data.sources.arrow import open_parquet
from modelheir.data.sources.files import open_plain_folder
from modelheir.data.sources.table import open_source

__all__ = ["open_pool"]


def open_pool(spec: str, config: InputConfig) -> ImageSet:
    """Open every image of a source as one set without labels and classes; nothing is decoded.

    ``folder:DIR`` is every image below it, at any depth; the order is that of the paths. Of other sources it is all
    splits, one after another, with the labels dropped; Parquet files need have none.

    Args:
        spec: For example ``folder:pool``, ``list:FILE``, ``parquet:PATH``, ``manifest:FILE``.
        config: Settings of reading.

    Raises:
        InputError: If the source cannot be read or has no image.
    """
    found = parse_data(spec)
    if found.kind == "folder" and Path(found.place).is_dir():
        return open_plain_folder(found.place, config)
    if found.kind == "parquet":
        splits = open_parquet(found.place, found.options, config, labelled=False)
    else:
        splits = open_source(spec, config)
    bare = [
        dataclasses.replace(images, classes=(), labels=np.full(len(images), -1), columns={})
        for images in splits.values()
        if len(images)
    ]
    if not bare:
        raise InputError(f"{spec}: there is no image in it.")
    return dataclasses.replace(bare[0], name=spec) if len(bare) == 1 else join_sets(bare, name=spec)
