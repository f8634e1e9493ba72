"""What the worker processes of a streaming loader do: read, decode, resize; never augment by their own numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from modelheir.data.decode import DecodeError
from modelheir.data.images import ImageSet
from modelheir.data.streams.order import Order
from modelheir.data.transforms.augment import Augment

__all__ = ["Decoding", "Rows", "collate"]

Item = tuple[int, int]
Read = tuple[int, "np.ndarray | str"]


class Rows(Sampler[list[Item]]):
    """Batches of ``(row, view)``; ``epoch``, ``view`` (whose random choices are made) and ``start`` are set before."""

    def __init__(self, order: Order) -> None:
        self.order, self.epoch, self.view, self.start = order, 0, 0, 0

    def __len__(self) -> int:
        return len(self.order) - self.start

    def __iter__(self) -> Iterator[list[Item]]:
        for _, rows in self.order.batches(self.epoch, self.start):
            yield [(int(row), self.view) for row in rows]


class Decoding(Dataset[Read]):
    """Decoded squares by ``(row, view)``; the reason in words where an image is unreadable."""

    def __init__(self, images: ImageSet, augment: Augment, keys: np.ndarray | None = None) -> None:
        """Keep what is read; random boxes are drawn by ``keys`` ``(N,)``, without by row."""
        self.images, self.augment = images, augment
        self.keys = np.arange(len(images), dtype=np.uint64) if keys is None else keys

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: Item) -> Read:
        """Read one image."""
        row, view = item
        try:
            image = self.images.image(row)
        except DecodeError as error:
            return row, str(error)
        if self.augment.boxes:
            return row, self.augment.read_box(image, key=self.keys[row], epoch=view)
        return row, self.augment.read(image)


def collate(items: Sequence[Read]) -> tuple[np.ndarray, Tensor, list[tuple[int, str]]]:
    """Stack the readable squares; returns rows, uint8 ``(N, ..., 3, S, S)``, and the unreadable rows with reasons."""
    good = [(row, square) for row, square in items if not isinstance(square, str)]
    bad = [(row, square) for row, square in items if isinstance(square, str)]
    rows = np.array([row for row, _ in good], dtype=np.int64)
    if not good:
        return rows, torch.empty(0, dtype=torch.uint8), bad
    squares = np.ascontiguousarray(np.moveaxis(np.stack([square for _, square in good]), -1, -3))
    return rows, torch.from_numpy(squares), bad
