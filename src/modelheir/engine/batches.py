"""Batches on their way to a step: waited for, repeated, cut."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from modelheir.checks import InputError
from modelheir.types import Batch, Stream

__all__ = ["Waiting", "repeat", "split"]

Found = TypeVar("Found")


class Waiting(Generic[Found]):
    """Iterate over batches and count the seconds that were spent waiting for them."""

    def __init__(self, batches: Iterable[Found]) -> None:
        self.batches, self.seconds = iter(batches), 0.0

    def __iter__(self) -> Iterator[Found]:
        while True:
            began = time.monotonic()
            batch = next(self.batches, None)
            self.seconds += time.monotonic() - began
            if batch is None:
                return
            yield batch


def repeat(stream: Stream, number: int) -> Iterator[Batch]:
    """Yield the batches of a stream for ever, from its batch ``number`` on, counted over epochs."""
    while True:
        epoch, position = divmod(number, len(stream))
        for batch in stream.epoch(epoch, start=position):
            yield batch
            number += 1


def split(batch: Batch, parts: int) -> Iterator[Batch]:
    """Cut a batch into ``parts`` micro-batches of equal size."""
    if parts == 1:
        yield batch
        return
    size = len(batch)
    if size % parts:
        raise InputError(f"fit.accumulate = {parts}: must divide the {size} images that this process has in a batch.")
    for start in range(0, size, size // parts):
        yield batch.part(slice(start, start + size // parts))
