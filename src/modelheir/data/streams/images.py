"""Streams of image batches: kept on the device (resident), or decoded on the way (streaming).

Both give the same batches: one order, one set of random choices, one batch part. Only a random resized crop differs, by
the rounding of its filter.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from modelheir import checks
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ImageSet
from modelheir.data.streams.batches import Batches
from modelheir.data.streams.order import Order
from modelheir.data.streams.resident import Stores, load_once, stays_resident
from modelheir.data.streams.rows import RowStream
from modelheir.data.streams.streaming import StreamingStream
from modelheir.data.transforms.augment import Augment, resolve
from modelheir.types import Batch, Stream

__all__ = ["make_stream"]


def make_stream(
    images: ImageSet,
    *,
    config: InputConfig,
    batch_size: int,
    train: bool,
    seed: int,
    device: torch.device | str,
    shuffle: bool | None = None,
    augment: bool | None = None,
    drop_last: bool | None = None,
    view_cycle: int = 0,
    split: str = "",
    rank: int = 0,
    world: int = 1,
    extra: Mapping[str, Tensor] | None = None,
    stores: Stores | None = None,
) -> Stream:
    """Make the batches of one split.

    Args:
        images: The split.
        config: Settings of size, augmentation and loading.
        batch_size: Images a batch over all processes.
        train: Shuffle, augment, and leave out the last incomplete batch; otherwise every image once, in order. Each
            of the three can be said by itself.
        seed: Of the order, and of augmentation where ``augment_seed`` is absent.
        device: Where batches live.
        shuffle: Draw a new order each epoch; ``None``: as ``train`` says.
        augment: Augment and mix; ``None``: as ``train`` says.
        drop_last: Leave out the last incomplete batch of shuffled images; ``None``: as ``train`` says.
        view_cycle: Views that an image is augmented to, one an epoch, before they come again, so that outputs for
            each of them can be kept (``Batch.view`` says which); they depend on the augmentation's seed, the view and
            the sample id alone, not on the set that the image is in. 0 makes new ones for ever. Mixtures are new in
            every epoch.
        split: Name of the split, such as ``train``.
        rank: This process, from 0.
        world: Number of processes.
        extra: Stored values, first dimension the images'; a batch carries its rows in ``Batch.extra``.
        stores: Decoded splits that are on the device already; a further one is added, so that streams share it.

    Returns:
        The stream; ``Batch.inputs`` is float32 in 0..1 ``(N, 3, S, S)``, or ten of such for ten crops.

    Raises:
        InputError: If too many images are undecodable, labels are missing for mixing, or the loader does not fit.
        ValueError: If a setting is out of range or ``extra`` has another length.
    """
    shuffles, augments = (train if one is None else one for one in (shuffle, augment))
    extra = dict(extra or {})
    config = resolve(config, images)
    checks.same_length(images=images.labels, **extra)
    checks.at_least(0, view_cycle=view_cycle)
    mixes = augments and (config.mixup > 0 or config.cutmix > 0)
    unlabelled = images.labels < 0
    if mixes and extra:
        raise ValueError("stored values belong to unmixed images: turn mixup and cutmix off, or give no extra")
    if mixes and unlabelled.any() and not unlabelled.all():
        raise InputError(
            f"{images.name}: mixup and cutmix need all images labelled, or none, and {int(unlabelled.sum()):,} of "
            f"{len(images):,} have no label: set inputs.mixup and inputs.cutmix to 0, or learn without labels."
        )
    views = Augment(config, train=augments, seed=seed if config.augment_seed is None else config.augment_seed)
    store = None
    if stays_resident(images, config, views):
        images, extra, store = load_once(images, config, views, extra, device, {} if stores is None else stores)
    order = Order(
        n=len(images), batch_size=batch_size, shuffle=shuffles, drop_last=drop_last is not False, seed=seed,
        rank=rank, world=world,
    )  # fmt: skip
    batches = Batches(images, views, extra, torch.device(device), view_cycle)
    if store is None:
        return StreamingStream(images, config=config, order=order, augment=views, batches=batches, split=split)
    held = store

    def fetch(index: Tensor, rows: np.ndarray, epoch: int, number: int) -> Batch:
        return batches.make(held[index], rows, epoch, number, index=index, uncut=True)

    return RowStream(
        ids=images.ids, labels=images.labels, classes=images.classes, columns=images.columns, order=order,
        device=device, fetch=fetch, split=split,
    )  # fmt: skip
