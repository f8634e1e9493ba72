"""Streams of image batches: kept on the device (resident), or decoded on the way (streaming).

Both give the same batches: one order, one set of random choices, one batch part. Only a random resized crop differs, by
the rounding of its filter.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from modelheir import checks
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ArrayPixels, ImageSet
from modelheir.data.streams.order import Order
from modelheir.data.streams.rows import RowStream
from modelheir.data.streams.workers import Decoding, Rows, collate
from modelheir.data.transforms import mixing
from modelheir.data.transforms.augment import Augment, resolve
from modelheir.data.transforms.draws import uniform
from modelheir.data.verify import each, skip
from modelheir.types import Batch, Stream

__all__ = ["StreamingStream", "make_stream"]

_MIX_SEED = 0x6D69785F  # keeps a batch's draws apart from those of the row with its number


def make_stream(
    images: ImageSet,
    *,
    config: InputConfig,
    batch_size: int,
    train: bool,
    seed: int,
    device: torch.device | str,
    rank: int = 0,
    world: int = 1,
    extra: Mapping[str, Tensor] | None = None,
) -> Stream:
    """Make the batches of one split.

    Args:
        images: The split.
        config: Settings of size, augmentation and loading.
        batch_size: Images a batch over all processes.
        train: Shuffle, augment, and leave out the last incomplete batch; otherwise every image once, in order.
        seed: Of the order, and of augmentation where ``augment_seed`` is absent.
        device: Where batches live.
        rank: This process, from 0.
        world: Number of processes.
        extra: Stored values, first dimension the images'; a batch carries its rows in ``Batch.extra``.

    Returns:
        The stream; ``Batch.inputs`` is float32 in 0..1 ``(N, 3, S, S)``, or ten of such for ten crops.

    Raises:
        InputError: If too many images are undecodable, labels are missing for mixing, or the loader does not fit.
        ValueError: If a setting is out of range or ``extra`` has another length.
    """
    extra = dict(extra or {})
    config = resolve(config, images)
    checks.same_length(images=images.labels, **extra)
    mixes = train and (config.mixup > 0 or config.cutmix > 0)
    unlabelled = images.labels < 0
    if mixes and extra:
        raise ValueError("stored values belong to unmixed images: turn mixup and cutmix off, or give no extra")
    if mixes and unlabelled.any() and not unlabelled.all():
        raise InputError(f"{images.name}: mixup and cutmix need all images labelled, or none.")
    augment = Augment(config, train=train, seed=seed if config.augment_seed is None else config.augment_seed)
    store = None
    if _resident(images, config, augment):
        images, extra, store = _load(images, config, augment, extra, device)
    order = Order(n=len(images), batch_size=batch_size, train=train, seed=seed, rank=rank, world=world)
    batches = _Batches(images, augment, extra, torch.device(device))
    if store is None:
        return StreamingStream(images, config=config, order=order, augment=augment, batches=batches)
    held = store

    def fetch(index: Tensor, rows: np.ndarray, epoch: int, number: int) -> Batch:
        squares = held[index]
        if augment.boxes:
            squares = augment.crop(squares, rows=rows, epoch=epoch)
        return batches.make(squares, index, rows, epoch, number)

    return RowStream(
        ids=images.ids, labels=images.labels, classes=images.classes, columns=images.columns, order=order,
        device=device, fetch=fetch,
    )  # fmt: skip


def _cores() -> int:
    """Return the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class StreamingStream:
    """Batches decoded by worker processes, a few ahead of their use.

    An undecodable image is counted and named. Evaluation leaves it out; in training, where processes and micro-batches
    need equal shares, other images of its batch are repeated in its place.
    """

    def __init__(
        self, images: ImageSet, *, config: InputConfig, order: Order, augment: Augment, batches: _Batches
    ) -> None:
        """Make the loader; its workers start with the first batch."""
        self.ids, self.labels, self.classes = images.ids, images.labels, images.classes
        self.columns: Mapping[str, np.ndarray] = dict(images.columns)
        self.order = order
        self.skipped: dict[int, str] = {}  #: undecodable rows found so far, and why
        self._images, self._config, self._batches = images, config, batches
        self._rows = Rows(order)
        workers = min(config.workers, _cores())
        self._loader = DataLoader(
            Decoding(images, augment),
            batch_sampler=self._rows,
            num_workers=workers,
            collate_fn=collate,
            pin_memory=batches.device.type == "cuda",
            persistent_workers=workers > 0,
        )

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this process's batches of epoch ``epoch`` from batch ``start`` on."""
        self._rows.epoch, self._rows.start = epoch, start
        for number, (rows, squares, bad) in enumerate(self._loader, start=start):
            if bad:
                self.note(dict(bad))
            if not len(rows):
                if self.order.train:
                    raise InputError(f"{self._images.name}: no image of batch {number} can be decoded.")
                continue
            if bad and self.order.train:
                places = np.arange(len(rows) + len(bad)) % len(rows)
                rows, squares = rows[places], squares[torch.from_numpy(places)]
            device = self._batches.device
            index = torch.from_numpy(rows).to(device)
            yield self._batches.make(squares.to(device, non_blocking=True), index, rows, epoch, number)

    def note(self, bad: Mapping[int, str]) -> None:
        """Count undecodable rows, given with their reasons, and name all in the log where there is a new one.

        Raises:
            InputError: If they are more than ``max_bad_share`` of the images.
        """
        before = len(self.skipped)
        self.skipped = {**bad, **self.skipped}
        if len(self.skipped) > before:
            skip(self._images, sorted(self.skipped.items()), self._config)


@dataclasses.dataclass(frozen=True, eq=False)
class _Batches:
    """The batch part, the same for both loaders."""

    images: ImageSet
    augment: Augment
    extra: Mapping[str, Tensor]
    device: torch.device

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", torch.from_numpy(self.images.labels).to(self.device))
        object.__setattr__(self, "labelled", bool((self.images.labels >= 0).all()))
        object.__setattr__(self, "extra", {name: values.to(self.device) for name, values in self.extra.items()})

    labels: Tensor = dataclasses.field(init=False)
    labelled: bool = dataclasses.field(init=False)

    def make(self, squares: Tensor, index: Tensor, rows: np.ndarray, epoch: int, number: int) -> Batch:
        """Make a batch of uint8 squares ``(N, 3, S, S)``, or ``(N, 10, 3, S, S)`` for ten crops."""
        labels, augment = self.labels[index], self.augment
        extra = {name: values[index] for name, values in self.extra.items()}
        if augment.views > 1:
            views = tuple(view.float().div_(255) for view in squares.unbind(1))
            return Batch(inputs=views, labels=labels, index=index, extra=extra)
        images = augment.finish(squares, rows=rows, epoch=epoch)
        config, targets = augment.config, None
        if augment.train and (config.mixup > 0 or config.cutmix > 0):
            draws = uniform(seed=augment.seed ^ _MIX_SEED, epoch=epoch, index=np.array([number]), slots=5)[0]
            mixture = mixing.choose_mixture(
                draws, mixup=config.mixup, cutmix=config.cutmix, probability=config.mix_probability,
                switch=config.mix_switch, size=augment.size,
            )  # fmt: skip
            images = mixing.mix(images, mixture)
            if self.images.labels[0] >= 0:
                targets = mixing.mixed_targets(labels, mixture, classes=len(self.images.classes))
        return Batch(images, labels, index, targets=targets, extra=extra, labelled=self.labelled)


def _resident(images: ImageSet, config: InputConfig, augment: Augment) -> bool:
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
