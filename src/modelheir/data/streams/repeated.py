"""A stream whose epoch is longer or shorter than its data: few labels beside a pool that says how long an epoch is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from modelheir import checks

if TYPE_CHECKING:
    import numpy as np

    from modelheir.types import Batch, Stream

__all__ = ["Repeated"]


class Repeated:
    """The batches of a stream, again and again, each time in the next epoch's order.

    Args:
        stream: What is repeated; it has at least one batch.
        batches: In one epoch, ``>= 1``.
    """

    def __init__(self, stream: Stream, batches: int) -> None:
        checks.at_least(1, batches=batches, stream=len(stream))
        self.stream, self.batches, self.split = stream, batches, stream.split
        self.ids: np.ndarray = stream.ids
        self.labels: np.ndarray = stream.labels
        self.classes: tuple[str, ...] = stream.classes
        self.columns: Mapping[str, np.ndarray] = stream.columns

    def __len__(self) -> int:
        return self.batches

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of epoch ``epoch`` from batch ``start`` on."""
        number, end = epoch * self.batches + start, (epoch + 1) * self.batches
        while number < end:
            turn, position = divmod(number, len(self.stream))
            for batch in self.stream.epoch(turn, position):
                if number == end:
                    return
                yield batch
                number += 1
