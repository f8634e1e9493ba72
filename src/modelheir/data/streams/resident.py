"""Splits that are decoded once and stay on the device: which fit, and how streams share them."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ArrayPixels, ImageSet, Pixels
from modelheir.data.transforms.augment import Augment
from modelheir.data.verify import each, skip

__all__ = ["Stores", "load_once", "stays_resident"]

#: way of reading a split -> its pixels (held, so that their identity stays theirs), what was read, rows and images
Stores = dict[tuple[object, ...], tuple[Pixels, ImageSet, np.ndarray, Tensor]]
_ROWS = "rows"  #: the row numbers travel as a stored value, to tell which images were left out


def stays_resident(images: ImageSet, config: InputConfig, augment: Augment) -> bool:
    """Tell whether a split is kept on the device.

    Raises:
        InputError: If it is asked for and cannot be.
    """
    decoded = isinstance(images.pixels, ArrayPixels)
    if augment.boxes and not decoded:
        if config.loader == "resident":
            raise InputError(
                f"{images.name}: random resized crops of images of many sizes, or of a set over "
                "inputs.resident_gib, cannot be resident; set inputs.loader=streaming."
            )
        return False
    height, width = images.size(0) if augment.boxes else (augment.size, augment.size)
    gib = 3.0 * height * width * augment.views * len(images) / 2**30
    return config.loader == "resident" or (config.loader == "auto" and gib <= config.resident_gib)


def load_once(
    images: ImageSet,
    config: InputConfig,
    augment: Augment,
    extra: dict[str, Tensor],
    device: torch.device | str,
    stores: Stores,
) -> tuple[ImageSet, dict[str, Tensor], Tensor]:
    """Return what :func:`_load` does, reading a split only once for each way of reading it."""
    key = (id(images.pixels), images.rows.tobytes(), augment.boxes, augment.resize, augment.size, augment.views)
    if key not in stores:
        rows = {_ROWS: torch.arange(len(images))}
        kept, whole, store = _load(images, config, augment, rows, device)
        stores[key] = (images.pixels, kept, whole[_ROWS].numpy(), store)
    _, kept, rows, store = stores[key]
    own = images if len(rows) == len(images) else dataclasses.replace(images.subset(rows), skipped=kept.skipped)
    if len(rows) < len(images):
        extra = {name: values[torch.from_numpy(rows).to(values.device)] for name, values in extra.items()}
    return own, extra, store


def _load(
    images: ImageSet, config: InputConfig, augment: Augment, extra: dict[str, Tensor], device: torch.device | str
) -> tuple[ImageSet, dict[str, Tensor], Tensor]:
    """Decode everything into one uint8 tensor on the device; undecodable images are left out."""
    array = images.array
    fixed = augment.views == 1 and augment.resize == augment.size
    same = array is not None and fixed and array.shape[1:3] == (augment.size, augment.size)
    if array is None or not (augment.boxes or same):
        views = (augment.views,) if augment.views > 1 else ()
        store = np.zeros((len(images), *views, augment.size, augment.size, 3), dtype=np.uint8)

        def read(i: int) -> None:
            store[i] = augment.read(images.image(i))

        bad = each(images, read)
        rows = np.delete(np.arange(len(images)), [row for row, _ in bad])
        images = skip(images, bad, config)
        if bad:
            extra = {name: values[torch.from_numpy(rows).to(values.device)] for name, values in extra.items()}
        array = store[rows] if bad else store
    held = torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)
    return images, extra, held.movedim(-1, -3)  # channels last in memory, the order in which convolutions are fastest
