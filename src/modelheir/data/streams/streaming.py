"""A stream whose images are decoded on the way, by worker processes a few batches ahead."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch.utils.data import DataLoader

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ImageSet
from modelheir.data.streams.batches import Batches
from modelheir.data.streams.order import Order
from modelheir.data.streams.workers import Decoding, Rows, collate
from modelheir.data.transforms.augment import Augment
from modelheir.data.verify import skip
from modelheir.types import Batch

__all__ = ["StreamingStream"]


def _cores() -> int:
    """Return the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class StreamingStream:
    """Batches decoded by worker processes, a few ahead of their use.

    An undecodable image is counted and named. Evaluation leaves it out; in training, where processes and micro-batches
    need equal shares, other images of its batch are repeated in its place.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        config: InputConfig,
        order: Order,
        augment: Augment,
        batches: Batches,
        split: str = "",
    ) -> None:
        """Make the loader; its workers start with the first batch."""
        self.split = split
        self.ids, self.labels, self.classes = images.ids, images.labels, images.classes
        self.columns: Mapping[str, np.ndarray] = dict(images.columns)
        self.order = order
        self.skipped: dict[int, str] = {}  #: undecodable rows found so far, and why
        self._images, self._config, self._batches = images, config, batches
        self._rows = Rows(order)
        workers = min(config.workers, _cores())
        self._loader = DataLoader(
            Decoding(images, augment, batches.keys),
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
        self._rows.epoch, self._rows.view, self._rows.start = epoch, self._batches.view(epoch), start
        for number, (rows, squares, bad) in enumerate(self._loader, start=start):
            if bad:
                self.note(dict(bad))
            if not len(rows):
                if self.order.shuffle:
                    raise InputError(f"{self._images.name}: no image of batch {number} can be decoded.")
                continue
            if bad and self.order.shuffle:
                places = np.arange(len(rows) + len(bad)) % len(rows)
                rows, squares = rows[places], squares[torch.from_numpy(places)]
            device = self._batches.device
            yield self._batches.make(squares.to(device, non_blocking=True), rows, epoch, number)

    def note(self, bad: Mapping[int, str]) -> None:
        """Count undecodable rows, given with their reasons, and name all in the log where there is a new one.

        Raises:
            InputError: If they are more than ``max_bad_share`` of the images.
        """
        before = len(self.skipped)
        self.skipped = {**bad, **self.skipped}
        if len(self.skipped) > before:
            skip(self._images, sorted(self.skipped.items()), self._config)
